import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RemoveIntent, WriteOutcome } from '../core/manifest-writer.ts';
import { alice, committer, deployIntent, gitopsFixture, searchPath } from './gitops-fixture.ts';
import type { WriteIntent } from './intents/write-intent.ts';
import { createPolicy } from './policy/policy.ts';
import { prepareManifest } from './render/prepare-manifest.ts';
import { startServerProcess, startWriterProcess, writerClock } from './writer-processes-fixture.ts';

const seed = Number(process.env['TOWLINE_SEED'] ?? '20260101');

const namespace = 'openfaas-fn';

type Fixture = Awaited<ReturnType<typeof gitopsFixture>>;

function writerConfig(gitops: Fixture, port: number, name: string) {
  return {
    remoteUrl: `http://127.0.0.1:${port}/gitops.git`,
    clonePath: join(gitops.folder, `${name}.git`),
    branch: 'main',
    committer,
    namespace,
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

/** What Towline wrote on the branch, oldest first: the build of a deploy, the reason of a removal. */
async function written(gitops: Fixture): Promise<{ commit: string; key: string }[]> {
  const trailer = (key: string) => `%(trailers:key=${key},valueonly,separator=)`;
  const format = `--format=%H ${trailer('Towline-Build')}${trailer('Towline-Reason')}`;
  const lines = (await gitops.git(gitops.remote, 'log', '--reverse', format, 'main')).trim().split('\n');
  return lines.flatMap((line) => {
    const [commit = '', key = ''] = line.split(' ');
    return key === '' ? [] : [{ commit, key }];
  });
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** A person who commits about every second, whatever else is pushed. */
async function personAtWork(gitops: Fixture) {
  const person = await gitops.person();
  const noted = { count: 0, wake: () => {} };
  let stopped = false;
  const work = (async () => {
    while (!stopped) {
      for (let pushed = false; !pushed; ) {
        await person.git('fetch', '--quiet', 'origin', 'main');
        const tree = ['FETCH_HEAD^{tree}', '-p', 'FETCH_HEAD'];
        const commit = await person.git('commit-tree', ...tree, '-m', `Note ${noted.count}`);
        pushed = await person.git('push', '--quiet', 'origin', `${commit.trim()}:main`).then(
          () => true,
          () => false,
        );
      }
      noted.count += 1;
      noted.wake();
      await pause(1_000);
    }
  })();
  return {
    async hasNoted(count: number): Promise<void> {
      while (noted.count < count) {
        await new Promise<void>((resolve) => {
          noted.wake = resolve;
        });
      }
    },
    async stop(): Promise<number> {
      stopped = true;
      await work;
      return noted.count;
    },
  };
}

test('two writers in two processes and a person at one branch: nothing lost, nothing twice, nobody starves', async (t) => {
  const gitops = await gitopsFixture(t);
  const server = await startServerProcess(t, gitops.folder, gitops.remote);
  const each = 500;
  const rounds = 5;
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
  const person = await personAtWork(gitops);
  for (let n = 0; n < each; n += 1) {
    // Not all at once, so that the two race for many pushes, and the person with both.
    if (n % 10 === 9) await pause(20);
    if (n % (each / rounds) === 0) await person.hasNoted(n / (each / rounds));
    for (const [index, writer] of writers.entries()) {
      const number = index * each + n + 1;
      writer.ask(`build-${number}`, numbered(number, `fn-${index}-${n % 20}`));
    }
  }
  await Promise.all([done.promise, person.hasNoted(rounds)]);
  const notes = await person.stop();
  for (const [key, outcome] of outcomes)
    assert.equal(outcome.type, 'pushed', `${key} ${JSON.stringify(outcome)}`);
  const onBranch = await written(gitops);
  const told = [...outcomes].map(([key, outcome]) => [key, 'commit' in outcome && outcome.commit]);
  assert.equal(onBranch.length, 2 * each);
  assert.deepEqual(new Map(onBranch.map(({ key, commit }) => [key, commit])), new Map(told as never));
  const log = await gitops.git(gitops.remote, 'log', '--format=%s', 'main');
  assert.equal(log.match(/^Note \d+$/gm)?.length, notes);
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

interface Asked {
  key: string;
  intent: WriteIntent;
}

function removalOf(key: string, functionName: string): WriteIntent {
  const intent: RemoveIntent = {
    ...{ owner: 'alice', ownerId: 'id-of-alice', functionNames: [functionName], repo: 'greetings' },
    ...{ sourceCommit: null, reason: key, actor: alice },
  };
  return { kind: 'remove', intent };
}

/** What is asked for, and what must come of it: the commits in their order, and each function's file. */
function plannedChaos(count: number, random: () => number) {
  const asked: Asked[] = [];
  const commits: string[] = [];
  const files = new Map<string, string>();
  for (let n = 1; n <= count; n += 1) {
    const functionName = `fn-${Math.floor(random() * 12)}`;
    if (n > 1 && random() < 0.1) {
      const key = `remove-${n}`;
      asked.push({ key, intent: removalOf(key, functionName) });
      if (files.delete(functionName)) commits.push(key);
      continue;
    }
    const deploy = numbered(n, functionName);
    const options = { target: 'openfaas', namespace, deployedAt: writerClock } as const;
    const prepared = prepareManifest(deploy.intent, createPolicy(), options);
    assert.ok(prepared.type === 'manifest');
    files.set(functionName, prepared.text);
    asked.push({ key: `build-${n}`, intent: deploy });
    commits.push(`build-${n}`);
  }
  return { asked, commits, files };
}

/** Path and text of everything below a folder of the branch. */
async function tree(gitops: Fixture, folder: string): Promise<Map<string, string>> {
  const names = await gitops.git(gitops.remote, 'ls-tree', '-r', '--name-only', 'main', folder);
  const paths = names.split('\n').filter((path) => path !== '');
  const texts = paths.map((path) => gitops.git(gitops.remote, 'cat-file', '-p', `main:${path}`));
  return new Map((await Promise.all(texts)).map((text, index) => [paths[index] ?? '', text]));
}

test(`writer and server are killed again and again (seed ${seed}): what was accepted is one commit, in order`, async (t) => {
  const gitops = await gitopsFixture(t);
  const random = randomOf(seed);
  const count = 1_000;
  const kills = 20;
  const { asked, commits, files } = plannedChaos(count, random);
  const elsewhere = await tree(gitops, 'flux');
  const someOf = () => new Set(Array.from({ length: kills }, () => Math.floor(random() * count)));
  const [killWriterAt, killServerAt] = [someOf(), someOf()];
  const accepted = new Set<string>();
  const outcomes = new Map<string, WriteOutcome>();
  let open = 0;
  const changed = { wake: () => {} };
  const answers = {
    onAccepted(key: string) {
      accepted.add(key);
      open += 1;
      changed.wake();
    },
    onOutcome: (key: string, outcome: WriteOutcome) => void outcomes.set(key, outcome),
    onOpen(now: number) {
      open = now;
      changed.wake();
    },
  };
  let server = await startServerProcess(t, gitops.folder, gitops.remote);
  const { port } = server;
  const config = writerConfig(gitops, port, 'writer');
  let writer = await startWriterProcess(t, config, answers);
  let sent = 0;
  const window = 25;
  const due = (at: Set<number>) => at.delete([...at].find((one) => one <= accepted.size) ?? -1);

  /** Only what nobody heard to be accepted is asked again: the rest is the writer's to finish, unasked. */
  async function startAgain(): Promise<void> {
    await writer.kill();
    writer = await startWriterProcess(t, config, answers);
    for (const { key, intent } of asked.slice(0, sent)) {
      if (!accepted.has(key)) writer.ask(key, intent, key);
    }
  }

  while (accepted.size < count || open > 0 || killWriterAt.size + killServerAt.size > 0) {
    const woken = new Promise<void>((resolve) => {
      changed.wake = resolve;
    });
    for (; sent < count && sent - accepted.size + open < window; sent += 1) {
      const { key, intent } = asked[sent]!;
      writer.ask(key, intent, key);
    }
    if (due(killWriterAt)) {
      await startAgain();
    } else if (due(killServerAt)) {
      await server.kill();
      server = await startServerProcess(t, gitops.folder, gitops.remote, port);
    } else {
      await woken;
    }
  }

  const onBranch = await written(gitops);
  assert.deepEqual(
    onBranch.map(({ key }) => key),
    commits,
  );
  const sentinel = await gitops.git(gitops.remote, 'cat-file', '-p', 'main:tenants/alice/tenant.yaml');
  const manifests = [...files].map(([name, text]) => [`tenants/alice/${name}.yaml`, text] as const);
  const expected = new Map([...manifests, ['tenants/alice/tenant.yaml', sentinel]]);
  assert.deepEqual(await tree(gitops, 'tenants/alice'), expected);
  assert.deepEqual(await tree(gitops, 'flux'), elsewhere);
  await gitops.git(gitops.remote, 'fsck', '--strict');

  // Whoever asks again, after all those deaths, is told of the one commit, and nothing more is written.
  outcomes.clear();
  for (const { key, intent } of asked) writer.ask(key, intent, key);
  while (outcomes.size < count) {
    await new Promise<void>((resolve) => {
      changed.wake = resolve;
    });
  }
  const commitOf = new Map(onBranch.map(({ key, commit }) => [key, commit]));
  for (const [key, outcome] of outcomes) {
    const types = commitOf.has(key) ? ['pushed', 'unchanged'] : ['unchanged'];
    assert.ok(types.includes(outcome.type), `${key} ${JSON.stringify(outcome)}`);
    if (commitOf.has(key)) assert.equal('commit' in outcome && outcome.commit, commitOf.get(key), key);
  }
  assert.equal(await gitops.remoteHead(), onBranch.at(-1)?.commit);
});
