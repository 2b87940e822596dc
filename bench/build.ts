import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BuildEngine } from '../builder/engines/build-engine.ts';
import { createDockerEngine } from '../builder/engines/build-engine-docker.ts';
import { createProcessEngine } from '../builder/engines/build-engine-process.ts';
import { findDockerCommand } from '../builder/engines/docker-command.ts';
import { connectDocker } from '../builder/engines/docker-connection.ts';
import { createBuilder, openTemplates } from '../builder/index.ts';
import {
  createMemoryReconciler,
  createMemoryWriter,
  createRepository,
  createSourceAccess,
  secret,
  sign,
} from '../builder/pipeline/platform-in-memory.test.ts';
import { createEventBus } from '../runtime/event-bus.ts';
import { createLogger } from '../runtime/logger.ts';
import { runProcess } from '../runtime/run-process.ts';
import { startDockerd, type TestDockerd } from '../test/containers/dockerd.ts';
import { report } from './figures.ts';

// A stack of ten functions with one changed: the whole builder (clone, contexts, engine, records), its writer and
// reconciler in memory, against `docker build` of the same contexts one after another on the same engine, its cache warm.

const path = process.env['PATH'] ?? '';
const count = 10;
const rounds = 5;
const names = Array.from({ length: count }, (_, index) => `f${index}`);

type Files = Record<string, string>;
/** The repository; function `f0` has the given revision. */
type MakeFiles = (revision: number) => Files;

const stackOf = (lang: string) =>
  `version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n${names
    .map((name) => `  ${name}:\n    lang: ${lang}\n    handler: ./${name}\n`)
    .join('')}`;

const dockerFiles =
  (base: string): MakeFiles =>
  (revision) => ({
    'stack.yml': stackOf('dockerfile'),
    ...Object.fromEntries(
      names.flatMap((name, index) => [
        [`${name}/Dockerfile`, `FROM ${base}\nCOPY . /app\nRUN cat /app/* > /all && sha256sum /all > /sum\n`],
        [`${name}/handler.sh`, `echo ${name} ${index === 0 ? revision : 0}\n`],
      ]),
    ),
  });

const processFiles: MakeFiles = (revision) => ({
  'stack.yml': stackOf('node'),
  ...Object.fromEntries(
    names.map((name, index) => [
      `${name}/handler.js`,
      `module.exports = async (event, context) => context.succeed('${name} ${index === 0 ? revision : 0}');\n`,
    ]),
  ),
});

interface Figures {
  cold_ms: number;
  changed_only_ms: number;
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return Math.round(performance.now() - startedAt);
}

/** `afterRound` is called when a revision is live. */
async function measure(
  root: string,
  engine: BuildEngine,
  files: MakeFiles,
  afterRound: (dir: string) => Promise<void> = async () => {},
): Promise<Figures> {
  mkdirSync(root, { recursive: true });
  const builder = await createBuilder(
    {
      databasePath: join(root, 'builder.db'),
      logsDir: join(root, 'logs'),
      workDir: join(root, 'work'),
      webhookSecrets: [secret],
      path,
      buildTimeoutMs: 300_000,
      maxConcurrentBuilds: 4,
      maxLogBytes: 10_000_000,
      maxContextBytes: 100_000_000,
      readyFollowTimeoutMs: 60_000,
    },
    {
      logger: createLogger({ level: 'silent', name: 'builder' }),
      manifestWriter: createMemoryWriter().writer,
      reconciler: createMemoryReconciler().reconciler,
      events: createEventBus(),
      sourceAccess: createSourceAccess(root, () => []),
      engine,
      templates: await openTemplates({
        bundledDir: join(import.meta.dirname, '../templates'),
        cacheDir: join(root, 'templates'),
        path,
        templateSources: [],
        templateRepositories: [],
        localTemplates: false,
      }),
      functionUrl: (owner, name) => `http://${owner}.localhost/${name}`,
    },
  );
  const server = createServer((req, res) => builder.webhook(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/git`;
  const repo = createRepository(root, 'alice', 'shop');

  async function push(revision: number): Promise<number> {
    const event = repo.commit(files(revision));
    const body = JSON.stringify(event);
    const headers = { 'content-type': 'application/json', 'x-towline-signature-256': sign(body) };
    const took = await timed(async () => {
      await fetch(url, { method: 'POST', headers, body });
      await builder.drain();
    });
    const deploys = (await builder.push(event.id))?.deploys ?? [];
    const notLive = deploys.filter(({ state }) => state !== 'live');
    if (deploys.length !== count || notLive.length > 0) {
      throw new Error(`not all are live: ${notLive.map(({ cause }) => cause?.message).join('; ')}`);
    }
    return took;
  }

  try {
    await builder.start();
    await builder.drain();
    const cold = await push(0);
    await afterRound(repo.dir);
    const changed: number[] = [];
    for (let revision = 1; revision <= rounds; revision += 1) {
      changed.push(await push(revision));
      await afterRound(repo.dir);
    }
    return { cold_ms: cold, changed_only_ms: median(changed) };
  } finally {
    server.closeAllConnections();
    server.close();
    await builder[Symbol.asyncDispose]();
  }
}

async function measureDocker(root: string, daemon: TestDockerd) {
  const base = await daemon.load('shell');
  const { PATH: dockerPath = '', ...environment } = daemon.env;
  const command = await findDockerCommand({ path: dockerPath, environment });
  await using engine = await createDockerEngine(
    { command, workDir: join(root, 'engine'), installation: 'bench', hiddenFolder: 'b'.repeat(32) },
    { docker: connectDocker(command) },
  );
  const sequential: number[] = [];
  const env = { ...daemon.env, DOCKER_BUILDKIT: '1' };
  /** What a script would do: every context, one after another. */
  async function buildAll(dir: string): Promise<void> {
    const took = await timed(async () => {
      for (const name of names) {
        const args = ['build', '--quiet', '--tag', `bench/${name}`, join(dir, name)];
        const done = await runProcess({ command: 'docker', args, env, timeoutMs: 300_000 });
        if (done.exitCode !== 0) throw new Error(`docker build: ${done.stderr}`);
      }
    });
    sequential.push(took);
  }
  const { cold_ms, changed_only_ms } = await measure(root, engine, dockerFiles(base), buildAll);
  const sequential_ms = median(sequential.slice(1));
  return {
    engine: 'docker',
    functions: count,
    changed: 1,
    changed_only_ms,
    sequential_ms,
    ratio: Math.round((changed_only_ms / sequential_ms) * 1000) / 1000,
    cold_ms,
    cold_builds_per_s: Math.round((count / cold_ms) * 10_000) / 10,
  };
}

const root = mkdtempSync(join(tmpdir(), 'towline-bench-build-'));
try {
  await using engine = await createProcessEngine({
    artifactsDir: join(root, 'artifacts'),
    workDir: join(root, 'process-work'),
    homeDir: join(root, 'process-work'),
    path,
  });
  const plain = await measure(join(root, 'process'), engine, processFiles);
  process.stderr.write(`plain processes: ${JSON.stringify(plain)}\n`);
  await using daemon = await startDockerd();
  const docker = await measureDocker(join(root, 'docker'), daemon);
  process.stderr.write(
    'compared with: docker build of the same ten contexts one after another, cache warm\n',
  );
  report({
    bench: 'build',
    ...docker,
    process_cold_ms: plain.cold_ms,
    process_changed_only_ms: plain.changed_only_ms,
  });
} finally {
  rmSync(root, { recursive: true, force: true, maxRetries: 3 });
}
