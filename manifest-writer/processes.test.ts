import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { WriteOutcome } from '../core/manifest-writer.ts';
import { alice, committer, deployIntent, gitopsFixture, searchPath } from './gitops-fixture.ts';
import type { WriteIntent } from './intents/write-intent.ts';
import { startServerProcess, startWriterProcess } from './writer-processes-fixture.ts';

/** `TOWLINE_FULL_TESTS=1` runs these at their full size, which takes about a minute. */
const full = process.env['TOWLINE_FULL_TESTS'] === '1';
const seed = Number(process.env['TOWLINE_SEED'] ?? '20260101');

type Fixture = Awaited<ReturnType<typeof gitopsFixture>>;

function writerConfig(gitops: Fixture, port: number, name: string) {
  return {
    remoteUrl: `http://127.0.0.1:${port}/gitops.git`,
    clonePath: join(gitops.folder, `${name}.git`),
    branch: 'main',
    committer,
    namespace: 'openfaas-fn',
    path: searchPath,
    limits: { retryFirstMs: 20, retryMaxMs: 200 },
  };
}

const hex = (n: number, length: number) => n.toString(16).padStart(length, '0');

/** The n-th deploy: everything in it follows from its number. */
function numbered(n: number, functionName: string): WriteIntent & { kind: 'deploy' } {
  const intent = deployIntent({ functionName, buildId: `build-${n}` });
  intent.spec.image = `registry.example.org/alice/app-${functionName}:latest-main-${hex(n, 7)}@sha256:${hex(n, 64)}`;
  intent.provenance.sourceCommit = hex(n, 40);
  return { kind: 'deploy', intent };
}

async function buildsOnBranch(gitops: Fixture): Promise<string[]> {
  const format = '--format=%(trailers:key=Towline-Build,valueonly,separator=)';
  return (await gitops.git(gitops.remote, 'log', format, 'main')).split('\n').filter((one) => one !== '');
}

test('two writers in two processes and a person at one branch: nothing lost, nothing twice, nobody starves', async (t) => {
  const gitops = await gitopsFixture(t);
  const server = await startServerProcess(t, gitops.folder, gitops.remote);
  const each = full ? 500 : 100;
  const outcomes = new Map<string, WriteOutcome>();
  const done = Promise.withResolvers<void>();
  const answers = {
    onAccepted() {},
    onOutcome(key: string, outcome: WriteOutcome) {
      outcomes.set(key, outcome);
      if (outcomes.size === 2 * each) done.resolve();
    },
  };
  const writers = await Promise.all(
    ['one', 'two'].map((name) => startWriterProcess(t, writerConfig(gitops, server.port, name), answers)),
  );
  let notes = 0;
  let stopped = false;
  const person = await gitops.person();
  const working = (async () => {
    do {
      await writeFile(join(person.path, 'notes.txt'), `note ${notes}\n`);
      await person.git('add', '.');
      await person.git('commit', '--quiet', '-m', `Note ${notes}`);
      for (let pushed = false; !pushed; ) {
        await person.git('pull', '--quiet', '--rebase');
        pushed = await person.git('push', '--quiet').then(
          () => true,
          () => false,
        );
      }
      notes += 1;
      await new Promise((resolve) => setTimeout(resolve, full ? 1_000 : 200));
    } while (!stopped);
  })();
  for (const [index, writer] of writers.entries()) {
    for (let n = 0; n < each; n += 1) {
      const number = index * each + n + 1;
      writer.ask(`build-${number}`, numbered(number, `fn-${index}-${n % 20}`));
      // Not all at once, so that the two race for many pushes.
      if (n % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  await done.promise;
  stopped = true;
  await working;
  for (const [key, outcome] of outcomes)
    assert.equal(outcome.type, 'pushed', `${key} ${JSON.stringify(outcome)}`);
  const builds = await buildsOnBranch(gitops);
  assert.equal(builds.length, 2 * each);
  assert.equal(new Set(builds).size, 2 * each);
  const commits = new Set([...outcomes.values()].map((one) => ('commit' in one ? one.commit : '')));
  const branch = (await gitops.git(gitops.remote, 'rev-list', 'main')).split('\n');
  assert.equal(branch.filter((id) => commits.has(id)).length, 2 * each);
  const log = await gitops.git(gitops.remote, 'log', '--format=%s', 'main');
  assert.equal(log.match(/^Note \d+$/gm)?.length, notes);
  assert.ok(notes > 0);
  await gitops.git(gitops.remote, 'fsck', '--strict');
});

/** Small and repeatable. Source: the public-domain mulberry32. */
function randomOf(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test(`writer and server are killed again and again (seed ${seed}): each intent is one commit, the tree is the model’s`, async (t) => {
  const gitops = await gitopsFixture(t);
  const random = randomOf(seed);
  const count = full ? 1_000 : 120;
  const [writerKills, serverKills] = full ? [20, 20] : [4, 4];
  const functions = 12;
  const model = new Map<string, string | null>();
  const asked = Array.from({ length: count }, (_, index) => {
    const functionName = `fn-${Math.floor(random() * functions)}`;
    const n = index + 1;
    if (random() < 0.1) {
      model.set(functionName, null);
      const removal = {
        ...{ owner: 'alice', ownerId: 'id-of-alice', functionNames: [functionName], repo: 'greetings' },
        ...{ sourceCommit: null, reason: 'gone', actor: alice },
      };
      return { key: `remove-${n}`, intent: { kind: 'remove', intent: removal } satisfies WriteIntent };
    }
    const deploy = numbered(n, functionName);
    model.set(functionName, deploy.intent.spec.image);
    return { key: `build-${n}`, intent: deploy };
  });
  const killWriterAt = new Set(Array.from({ length: writerKills }, () => Math.floor(random() * count)));
  const killServerAt = new Set(Array.from({ length: serverKills }, () => Math.floor(random() * count)));
  const accepted = new Set<string>();
  const outcomes = new Map<string, WriteOutcome>();
  const changed = { wake: () => {} };
  const answers = {
    onAccepted(key: string) {
      accepted.add(key);
      changed.wake();
    },
    onOutcome(key: string, outcome: WriteOutcome) {
      outcomes.set(key, outcome);
      changed.wake();
    },
  };
  let server = await startServerProcess(t, gitops.folder, gitops.remote);
  const { port } = server;
  const config = writerConfig(gitops, port, 'writer');
  let writer = await startWriterProcess(t, config, answers);
  let sent = 0;
  const window = 25;

  function send(): void {
    for (; sent < count && sent < outcomes.size + window; sent += 1) {
      const { key, intent } = asked[sent]!;
      writer.ask(key, intent, key);
    }
  }

  /** Whoever didn't hear that an intent was accepted asks again; the others only for its outcome. */
  function sendAgain(): void {
    for (const { key, intent } of asked.slice(0, sent)) {
      if (!outcomes.has(key)) writer.ask(key, intent, key);
    }
  }

  while (outcomes.size < count) {
    const woken = new Promise<void>((resolve) => {
      changed.wake = resolve;
    });
    send();
    if (killWriterAt.delete([...killWriterAt].find((at) => at <= accepted.size) ?? -1)) {
      await writer.kill();
      writer = await startWriterProcess(t, config, answers);
      sendAgain();
    } else if (killServerAt.delete([...killServerAt].find((at) => at <= outcomes.size) ?? -1)) {
      await server.kill();
      server = await startServerProcess(t, gitops.folder, gitops.remote, port);
    } else {
      await woken;
    }
  }
  assert.deepEqual([killWriterAt.size, killServerAt.size], [0, 0]);

  await gitops.git(gitops.remote, 'fsck', '--strict');
  const builds = await buildsOnBranch(gitops);
  assert.equal(new Set(builds).size, builds.length, 'no build twice');
  for (const { key, intent } of asked) {
    const outcome = outcomes.get(key);
    assert.ok(
      outcome?.type === 'pushed' || outcome?.type === 'unchanged',
      `${key} ${JSON.stringify(outcome)}`,
    );
    if (intent.kind === 'deploy') assert.ok(builds.includes(key), `${key} is on the branch`);
  }
  for (const [functionName, image] of model) {
    const file = `main:tenants/alice/${functionName}.yaml`;
    const text = await gitops.git(gitops.remote, 'cat-file', '-p', file).catch(() => null);
    assert.equal(/^ +image: "?(\S+?)"?$/m.exec(text ?? '')?.[1] ?? null, image, functionName);
  }
});
