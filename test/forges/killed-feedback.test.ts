import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createMemoryEngine,
  createMemoryReconciler,
  createMemoryWriter,
  stackFiles,
} from '../../builder/pipeline/platform-in-memory.test.ts';
import { createForgeBuilder, type ForgePlace, startForgeSurroundings } from './forge-platform.ts';

/** The process that is killed: a builder whose commits are in a file. */
async function serve(place: ForgePlace): Promise<void> {
  const engine = createMemoryEngine().engine;
  const build = engine.build.bind(engine);
  const builder = await createForgeBuilder(place, {
    neighbours: {
      engine: {
        ...engine,
        async build(request) {
          await sleep(Math.random() * 40);
          return build(request);
        },
      },
      reconciler: createMemoryReconciler().reconciler,
      manifestWriter: createMemoryWriter(join(place.root, 'commits.ndjson')).writer,
    },
    log: () => {},
  });
  const server = createServer((req, res) => builder.webhook(req, res));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await builder.start();
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

async function startChild(place: ForgePlace): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [import.meta.filename, '--serve', JSON.stringify(place)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { PATH: process.env['PATH'] },
  });
  const [message] = await once(child, 'message');
  return { child, port: (message as { port: number }).port };
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + 60_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await sleep(10);
  }
}

function testKills(): void {
  describe('a builder that is killed', () => {
    it('shows of each push exactly one run per context, and how it ended', async (test) => {
      await using surroundings = await startForgeSurroundings();
      const { github, place } = surroundings;
      const random = seeded(7);
      let running = await startChild(place);
      test.after(() => void running.child.kill('SIGKILL'));
      surroundings.setWebhookPort(running.port);
      const commits: string[] = [];
      for (let round = 0; round < 5; round += 1) {
        const { commit, redeliver } = await surroundings.push(
          stackFiles({ hello: `v${round}`, other: 'same' }),
        );
        commits.push(commit);
        await sleep(random() * 250);
        await kill(running.child);
        running = await startChild(place);
        surroundings.setWebhookPort(running.port);
        assert.equal(await redeliver(), 202);
      }
      const { checkRuns } = github.state;
      const last = commits.at(-1);
      const isTold = (name: string) =>
        checkRuns.some((run) => run.headSha === last && run.name === name && run.conclusion === 'success');
      await until('the last push is told', () => ['towline', 'towline/hello', 'towline/other'].every(isTold));
      await until('all have ended', () => checkRuns.every(({ status }) => status === 'completed'));
      await kill(running.child);

      const keys = checkRuns.map(({ name, externalId }) => `${name} ${externalId}`);
      assert.deepEqual(keys.length, new Set(keys).size, 'a run was made twice');
      for (const commit of commits) {
        const whole = checkRuns.filter((run) => run.headSha === commit && run.name === 'towline');
        assert.ok(whole.length >= 1, `nothing was told of ${commit}`);
        for (const { conclusion } of whole) assert.ok(['success', 'cancelled'].includes(conclusion ?? ''));
      }
    });
  });
}

const [flag, place] = process.argv.slice(2);
if (flag === '--serve' && place !== undefined) await serve(JSON.parse(place) as ForgePlace);
else testKills();
