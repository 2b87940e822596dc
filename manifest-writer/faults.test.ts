import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { TowlineError } from '../core/errors.ts';
import { alice, deployIntent, gitopsFixture } from './gitops-fixture.ts';

const hello = { owner: 'alice', ownerId: 'id-of-alice', functionName: 'hello' };
const isAway = (error: unknown) => error instanceof TowlineError && error.code === 'remote_unavailable';

async function hook(remote: string, name: string, script: string): Promise<void> {
  await writeFile(join(remote, 'hooks', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

test('a person and the writer push at the same time: nothing is lost, numbers stay right', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  await writer.deploy(deployIntent({ source: '0' }));
  const person = await gitops.person();
  let pushes = 0;
  async function foreignPushes(): Promise<void> {
    while (pushes < 4) {
      await writeFile(join(person.path, 'notes.txt'), `note ${pushes}\n`);
      await person.git('add', '.');
      await person.git('commit', '--quiet', '-m', `Note ${pushes}`);
      for (;;) {
        await person.git('pull', '--quiet', '--rebase');
        const done = await person.git('push', '--quiet').then(
          () => true,
          () => false,
        );
        if (done) break;
      }
      pushes += 1;
    }
  }
  const deploys = (async () => {
    const outcomes = [];
    for (const source of '123456789') outcomes.push(await writer.deploy(deployIntent({ source })));
    return outcomes;
  })();
  const [outcomes] = await Promise.all([deploys, foreignPushes()]);
  assert.ok(outcomes.every((one) => one.type === 'pushed'));
  const entries = await writer.history(hello);
  assert.deepEqual(
    entries.map((entry) => entry.number),
    [...Array(10).keys()].map((n) => 10 - n),
  );
  const log = await gitops.git(
    gitops.remote,
    'log',
    '--format=%(trailers:key=Towline-Deploy,valueonly)%s',
    'main',
  );
  assert.equal(log.match(/^Note /gm)?.length, 4);
  const trailers = await gitops.git(
    gitops.remote,
    'log',
    '--format=%(trailers:key=Towline-Deploy,valueonly,separator=)',
    'main',
  );
  assert.deepEqual(
    trailers.split('\n').filter(Boolean).map(Number),
    entries.map((entry) => entry.number),
  );
  await gitops.git(gitops.remote, 'fsck', '--strict');
});

test('claims are decided again after a lost race', async (t) => {
  const gitops = await gitopsFixture(t);
  const [one, two] = [
    await gitops.writer(),
    await gitops.writer({ clonePath: join(gitops.folder, 'other.git') }),
  ];
  await one.deploy(deployIntent({ owner: 'a', functionName: 'b-c' }));
  const outcome = await two.deploy(deployIntent({ owner: 'a-b', functionName: 'c' }));
  assert.equal(outcome.type === 'refused' && outcome.code, 'name_taken');
  const current = await two.deploy(deployIntent({ owner: 'a', functionName: 'b-c', repo: 'another' }));
  assert.equal(current.type === 'refused' && current.code, 'name_taken');
});

test('two writers on one repository lose nothing and write nothing twice', async (t) => {
  const gitops = await gitopsFixture(t);
  const [one, two] = [
    await gitops.writer(),
    await gitops.writer({ clonePath: join(gitops.folder, 'other.git') }),
  ];
  const intents = [...'12345678'].map((source) => deployIntent({ source, functionName: `f-${source}` }));
  const outcomes = await Promise.all(intents.flatMap((intent) => [one.deploy(intent), two.deploy(intent)]));
  const commits = outcomes.map((outcome) => ('commit' in outcome ? outcome.commit : outcome.type));
  assert.equal(new Set(commits).size, intents.length);
  assert.equal((await one.history({ owner: 'alice' })).length, intents.length);
});

test('a refused push is an outcome with the hook’s words, and takes only its own commit with it', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const script =
    'while read old new ref; do git diff --name-only "$old" "$new" | grep -q /bad.yaml && { echo "no bad ones" >&2; exit 1; }; done; exit 0';
  await hook(gitops.remote, 'pre-receive', script);
  const outcomes = await Promise.all(
    ['first', 'good', 'bad', 'fine'].map((functionName) => writer.deploy(deployIntent({ functionName }))),
  );
  assert.deepEqual(
    outcomes.map((outcome) => outcome.type),
    ['pushed', 'pushed', 'refused', 'pushed'],
  );
  const bad = outcomes[2];
  assert.match(bad?.type === 'refused' ? bad.message : '', /no bad ones/);
  const names = (await writer.current('alice')).map((one) => one.functionName);
  assert.deepEqual(names, ['fine', 'first', 'good']);
});

test('while the remote is away writing fails as unavailable, reading goes on, and a retry is one commit', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  await writer.deploy(deployIntent({ source: '1' }));
  await rename(gitops.remote, `${gitops.remote}.away`);
  const intent = deployIntent({ source: '2' });
  await assert.rejects(writer.deploy(intent), isAway);
  await assert.rejects(
    writer.revert({ ...hello, toCommit: 'f'.repeat(40), reason: '', actor: alice }),
    isAway,
  );
  assert.equal((await writer.history(hello)).length, 1);
  assert.equal((await writer.current()).length, 1);
  await rename(`${gitops.remote}.away`, gitops.remote);
  assert.equal((await writer.deploy(intent)).type, 'pushed');
  assert.equal((await writer.history(hello)).length, 2);
});

test('the writer starts while the remote is away, if it has been reached before', async (t) => {
  const gitops = await gitopsFixture(t);
  const first = await gitops.writer();
  await first.deploy(deployIntent());
  await first[Symbol.asyncDispose]();
  await rename(gitops.remote, `${gitops.remote}.away`);
  const second = await gitops.writer();
  assert.equal((await second.history(hello)).length, 1);
  await rename(`${gitops.remote}.away`, gitops.remote);
  assert.equal((await second.deploy(deployIntent({ source: '2' }))).type, 'pushed');
});

test('a push whose answer got lost is found again: exactly one commit', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  await writer.deploy(deployIntent({ source: '1' }));
  // The branch has moved when post-receive runs; the server dies before it says so.
  await hook(gitops.remote, 'post-receive', 'kill -9 $PPID');
  const outcome = await writer.deploy(deployIntent({ source: '2' }));
  assert.equal(outcome.type, 'pushed');
  assert.deepEqual('commit' in outcome && outcome.commit, await gitops.remoteHead());
  assert.equal((await writer.history(hello)).length, 2);
});

test('a remote that hangs is given up on, and the deploy goes through once it answers', async (t) => {
  const gitops = await gitopsFixture(t);
  const first = await gitops.writer();
  await first[Symbol.asyncDispose]();
  await hook(gitops.remote, 'pre-receive', 'exec sleep 20');
  const writer = await gitops.writer({ limits: { remoteTimeoutMs: 2_000 } });
  const intent = deployIntent();
  await assert.rejects(writer.deploy(intent), isAway);
  await writer[Symbol.asyncDispose]();
  await rm(join(gitops.remote, 'hooks', 'pre-receive'));
  const patient = await gitops.writer();
  assert.equal((await patient.deploy(intent)).type, 'pushed');
});

test('killed between commit and push, then asked again: exactly one commit', async (t) => {
  const gitops = await gitopsFixture(t);
  const marker = join(gitops.folder, 'pushing');
  const release = join(gitops.folder, 'release');
  await hook(gitops.remote, 'pre-receive', `touch ${marker}; until [ -e ${release} ]; do sleep 0.05; done`);
  const intent = deployIntent({ buildId: 'b-kill' });
  const script = `
    import { pino } from 'pino';
    import { createManifestWriter } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))};
    const { config, intent } = JSON.parse(process.argv[1]);
    const writer = await createManifestWriter(config, { logger: pino({ level: 'silent' }) });
    await writer.deploy(intent);
  `;
  const config = {
    remoteUrl: gitops.remote,
    clonePath: join(gitops.folder, 'writer.git'),
    branch: 'main',
    committer: { name: 'Towline', email: 'towline@towline.invalid' },
    namespace: 'openfaas-fn',
    path: process.env['PATH'] ?? '',
  };
  const args = ['--input-type=module', '--eval', script, JSON.stringify({ config, intent })];
  const child = spawn(process.execPath, args, { cwd: import.meta.dirname, stdio: 'ignore' });
  const ended = once(child, 'exit');
  while (!(await readdir(gitops.folder)).includes('pushing')) {
    assert.equal(child.exitCode, null, 'the writer ended before it pushed');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  child.kill('SIGKILL');
  await ended;
  await rm(join(gitops.remote, 'hooks', 'pre-receive'));
  const writer = await gitops.writer();
  const outcome = await writer.deploy(intent);
  assert.equal(outcome.type, 'pushed');
  assert.deepEqual(await writer.deploy(intent), outcome);
  // The killed writer's git lives on. Its push now comes to its end, too late.
  await writer[Symbol.asyncDispose]();
  await writeFile(release, '');
  while ((await processesUsing(gitops.folder)).length > 0) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal((await (await gitops.writer()).history(hello)).length, 1);
  assert.equal('commit' in outcome && outcome.commit, await gitops.remoteHead());
});

test('a clone that is missing, cut off or locked is made anew, and nothing is lost', async (t) => {
  const gitops = await gitopsFixture(t);
  const clone = join(gitops.folder, 'writer.git');
  const writer = await gitops.writer();
  await writer.deploy(deployIntent({ source: '1' }));
  const damages: Record<string, () => Promise<void>> = {
    gone: () => rm(clone, { recursive: true }),
    'no objects': () => rm(join(clone, 'objects'), { recursive: true }),
    'empty objects': () => emptyObjects(clone),
    'a lock of a killed git': () => writeFile(join(clone, 'refs/towline/pending.lock'), ''),
    'no head': () => writeFile(join(clone, 'HEAD'), 'nonsense'),
  };
  let count = 1;
  for (const [what, damage] of Object.entries(damages)) {
    await damage();
    count += 1;
    const outcome = await writer.deploy(deployIntent({ source: String(count) }));
    assert.equal(outcome.type, 'pushed', what);
    await damage();
    assert.equal((await writer.history(hello)).length, count, what);
  }
  await writer[Symbol.asyncDispose]();
  await writeFile(join(clone, 'HEAD'), 'nonsense');
  const restarted = await gitops.writer();
  assert.equal((await restarted.history(hello)).length, count);
  await gitops.git(gitops.remote, 'fsck', '--strict');
});

async function emptyObjects(clone: string): Promise<void> {
  for (const entry of await readdir(join(clone, 'objects'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    await chmod(join(entry.parentPath, entry.name), 0o644);
    await writeFile(join(entry.parentPath, entry.name), '');
  }
}

test('history rewritten on the remote is taken as it is now', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const first = await writer.deploy(deployIntent({ source: '1' }));
  await writer.deploy(deployIntent({ source: '2' }));
  assert.ok(first.type === 'pushed');
  await gitops.git(gitops.remote, 'update-ref', 'refs/heads/main', first.commit);
  const third = await writer.deploy(deployIntent({ source: '3' }));
  assert.equal(third.type === 'pushed' && third.written[0]?.number, 2);
  const parent = await gitops.git(gitops.remote, 'rev-parse', 'main^');
  assert.equal(parent.trim(), first.commit);
});

test('a stopped writer refuses intents and leaves no process behind', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const last = writer.deploy(deployIntent()).catch((error: unknown) => error);
  await writer[Symbol.asyncDispose]();
  const outcome = await last;
  assert.ok(outcome instanceof TowlineError || (outcome as { type: string }).type === 'pushed');
  await assert.rejects(writer.deploy(deployIntent()), /stopping/);
  assert.deepEqual(await processesUsing(gitops.folder), []);
});

/** Linux only; elsewhere nothing can be said. */
async function processesUsing(folder: string): Promise<string[]> {
  const pids = await readdir('/proc').catch((): string[] => []);
  const found: string[] = [];
  for (const pid of pids.filter((name) => /^\d+$/.test(name))) {
    const environ = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (environ.includes(folder)) found.push(pid);
  }
  return found;
}
