import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isEnd, type PushRecord } from '../../core/deploy.ts';
import type { PushEvent } from '../../core/source-event.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { createLogger } from '../../runtime/logger.ts';
import { createBuilder } from '../index.ts';
import {
  createMemoryEngine,
  createMemoryReconciler,
  createMemoryWriter,
  createRepository,
  createSourceAccess,
  createTemplates,
  secret,
  sign,
  stackFiles,
  type TestRepository,
} from '../pipeline/platform-in-memory.test.ts';

const commitsFile = 'commits.ndjson';
const repositoryNames = ['shop', 'blog'];

/** The process that is killed: a builder whose commits are in a file. */
async function serve(root: string): Promise<void> {
  const engine = createMemoryEngine();
  const build = engine.engine.build.bind(engine.engine);
  const repositories = repositoryNames.map((name) => ({ name, dir: join(root, 'alice', name) }));
  const builder = await createBuilder(
    {
      databasePath: join(root, 'builder.db'),
      logsDir: join(root, 'logs'),
      workDir: join(root, 'work'),
      webhookSecrets: [secret],
      path: process.env['PATH'] ?? '',
      buildTimeoutMs: 60_000,
      maxConcurrentBuilds: 2,
      maxLogBytes: 1_000_000,
      maxContextBytes: 1_000_000,
      readyFollowTimeoutMs: 60_000,
      webhookGraceMs: 200,
    },
    {
      logger: createLogger({ level: 'silent', name: 'builder' }),
      manifestWriter: createMemoryWriter(join(root, commitsFile)).writer,
      reconciler: createMemoryReconciler().reconciler,
      events: createEventBus(),
      sourceAccess: createSourceAccess(root, () => []),
      engine: {
        ...engine.engine,
        build: async (request) => {
          await sleep(Math.random() * 30);
          return build(request);
        },
      },
      templates: createTemplates(root),
      functionUrl: (owner, name) => `http://${owner}.localhost/${name}`,
    },
  );
  const server = createServer((req, res) => builder.webhook(req, res));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await builder.start();
  process.on('message', async () => {
    await builder.drain();
    process.send?.({
      pushes: (
        await Promise.all(
          repositories.map(({ name }) => builder.pushes({ owner: 'alice', repo: name, limit: 100 })),
        )
      ).flat(),
    });
  });
  process.send?.({ port: (server.address() as AddressInfo).port });
}

/** Numbers in [0, 1) that are the same in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

async function startChild(root: string): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [import.meta.filename, '--serve', root], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { PATH: process.env['PATH'] },
  });
  const [message] = await once(child, 'message');
  return { child, port: (message as { port: number }).port };
}

/** The id of the push that does the work: a builder may have seen the commit before its webhook came. */
async function post(port: number, event: PushEvent): Promise<string | undefined> {
  const body = JSON.stringify(event);
  const headers = { 'content-type': 'application/json', 'x-towline-signature-256': sign(body) };
  try {
    const response = await fetch(`http://127.0.0.1:${port}/webhooks/git`, { method: 'POST', headers, body });
    return response.status === 202 ? ((await response.json()) as { id: string }).id : undefined;
  } catch {
    return undefined;
  }
}

function assertDone(
  root: string,
  repositories: TestRepository[],
  pushes: PushRecord[],
  accepted: string[],
): void {
  const commits = readFileSync(join(root, commitsFile), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const builds = commits.map((commit) => commit.intent.buildId);
  assert.equal(new Set(builds).size, builds.length, 'a build was committed twice');
  for (const id of accepted)
    assert.ok(
      pushes.some((push) => push.id === id),
      `${id} is lost`,
    );
  for (const push of pushes) {
    assert.equal(push.state, 'done');
    for (const deploy of push.deploys)
      assert.ok(isEnd(deploy.state), `${deploy.functionName} is ${deploy.state}`);
  }
  for (const repo of repositories) {
    for (const functionName of [`${repo.repository.name}-a`, `${repo.repository.name}-b`]) {
      const last = commits.findLast((commit) => commit.functionNames.includes(functionName));
      assert.equal(last.intent.provenance.sourceCommit, repo.head());
    }
  }
  assert.deepEqual(readdirSync(join(root, 'work', 'builder')), []);
}

if (process.argv[2] === '--serve') await serve(process.argv[3]!);
else {
  describe('a builder that is killed at any moment', () => {
    it('ends every accepted push once, and the newest one wins', { timeout: 60_000 }, async () => {
      const root = mkdtempSync(join(tmpdir(), 'towline-killed-'));
      const random = seeded(42);
      const repositories = repositoryNames.map((name) => createRepository(root, 'alice', name));
      const accepted: string[] = [];
      let running: ChildProcess | undefined;
      try {
        for (let round = 0; round < 8; round += 1) {
          const { child, port } = await startChild(root);
          running = child;
          for (const repo of repositories) {
            const { name } = repo.repository;
            const event = repo.commit(
              stackFiles({ [`${name}-a`]: `a ${round}`, [`${name}-b`]: `b ${round}` }),
            );
            const id = await post(port, event);
            if (id) accepted.push(id);
          }
          await sleep(random() * 180);
          child.kill('SIGKILL');
          await once(child, 'exit');
        }
        const { child } = await startChild(root);
        running = child;
        child.send('drain');
        const [message] = await once(child, 'message');
        assert.equal(accepted.length, 16);
        assertDone(root, repositories, (message as { pushes: PushRecord[] }).pushes, accepted);
      } finally {
        running?.kill('SIGKILL');
        rmSync(root, { recursive: true, force: true, maxRetries: 5 });
      }
    });
  });
}
