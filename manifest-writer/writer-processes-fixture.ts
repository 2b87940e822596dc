import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { WriteOutcome } from '../core/manifest-writer.ts';
import type { ManifestWriterConfig } from './create-manifest-writer.ts';
import { searchPath } from './gitops-fixture.ts';
import type { WriteIntent } from './intents/write-intent.ts';

const here = import.meta.dirname;

function start(t: TestContext, script: string, argument: unknown): ChildProcess {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script, JSON.stringify(argument)], {
    cwd: here,
    env: { PATH: searchPath },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    detached: true,
  });
  t.after(() => killGroup(child));
  return child;
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** What time it is for a writer process, in milliseconds since the epoch: a manifest says when it was asked for. */
export const writerClock = 1_800_000_000_000;
const stateEveryMs = 20;

const writerScript = `
  import { pino } from 'pino';
  import { createManifestWriter } from ${JSON.stringify(join(here, 'create-manifest-writer.ts'))};
  const writer = await createManifestWriter(JSON.parse(process.argv[1]), {
    logger: pino({ level: 'silent' }),
    clock: () => ${writerClock},
  });
  process.on('message', ({ key, intent, id }) => {
    const { accepted, outcome } = writer.submit(intent, undefined, { id, onWaiting() {} });
    accepted.then(() => process.send({ accepted: key }), () => {});
    outcome.then((one) => process.send({ key, outcome: one }), () => {});
  });
  process.send({ ready: true });
  setInterval(() => process.send({ open: writer.state().open }), ${stateEveryMs});
`;

export interface Answers {
  onAccepted(key: string): void;
  onOutcome(key: string, outcome: WriteOutcome): void;
  /** Again and again: how many intents are accepted and have no outcome, whoever asked for them. */
  onOpen?(count: number): void;
}

interface Message {
  ready?: true;
  accepted?: string;
  key?: string;
  outcome?: WriteOutcome;
  open?: number;
}

/** For tests: a manifest-writer in a process of its own, which can be killed. */
export async function startWriterProcess(t: TestContext, config: ManifestWriterConfig, answers: Answers) {
  const child = start(t, writerScript, config);
  const ready = Promise.withResolvers<void>();
  child.on('exit', () => ready.reject(new Error('the writer ended before it was ready')));
  child.on('message', (message: Message) => {
    if (message.ready) ready.resolve();
    if (message.accepted !== undefined) answers.onAccepted(message.accepted);
    if (message.key !== undefined && message.outcome) answers.onOutcome(message.key, message.outcome);
    if (message.open !== undefined) answers.onOpen?.(message.open);
  });
  await ready.promise;
  return {
    ask(key: string, intent: WriteIntent, id?: string): void {
      if (child.connected) child.send({ key, intent, id }, () => {});
    },
    /** Its gits live on, as they do when a process is killed. */
    async kill(): Promise<void> {
      const ended = once(child, 'exit');
      child.removeAllListeners('message');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const serverScript = `
  import { startGitHttpServer } from ${JSON.stringify(join(here, 'gitops-http-server.ts'))};
  const server = await startGitHttpServer({ ...JSON.parse(process.argv[1]), oneGroup: true });
  process.send({ port: server.port });
`;

/** For tests: a git server in a process group of its own. It starts as servers do, without the locks of a dead one. */
export async function startServerProcess(t: TestContext, root: string, repository: string, port?: number) {
  const refs = join(repository, 'refs', 'heads');
  for (const name of await readdir(refs)) if (name.endsWith('.lock')) await rm(join(refs, name));
  const child = start(t, serverScript, { root, path: searchPath, port });
  const [message] = (await once(child, 'message')) as [{ port: number }];
  return {
    port: message.port,
    async kill(): Promise<void> {
      const ended = once(child, 'exit');
      killGroup(child);
      await ended;
    },
  };
}
