import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import type { WriteDelay, WriteOutcome } from '../core/manifest-writer.ts';
import type { ManifestWriterConfig, ManifestWriterDeps } from './create-manifest-writer.ts';
import { alice, deployIntent, gitopsFixture, searchPath } from './gitops-fixture.ts';
import { startGitHttpServer } from './gitops-http-server.ts';

const run = promisify(execFile);
const hello = { owner: 'alice', ownerId: 'id-of-alice', functionName: 'hello' };
const soon = { retryFirstMs: 10, retryMaxMs: 50 };

async function httpFixture(t: TestContext) {
  const gitops = await gitopsFixture(t);
  const server = await startGitHttpServer({ root: gitops.folder, path: searchPath });
  t.after(() => server[Symbol.asyncDispose]());
  return {
    ...gitops,
    server,
    overHttp: (config: Partial<ManifestWriterConfig> = {}, deps: Partial<ManifestWriterDeps> = {}) =>
      gitops.writer({ remoteUrl: `${server.url}/gitops.git`, limits: soon, ...config }, Date.now, deps),
    hook: (name: string, script: string) =>
      writeFile(join(gitops.remote, 'hooks', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 }),
    commits: async () =>
      (await gitops.git(gitops.remote, 'log', '--format=%s', 'main'))
        .split('\n')
        .filter((one) => /^\w+\(/.test(one)),
  };
}

/** Asks, and gives what was said while it waited. */
function patiently(
  ask: (options: { onWaiting: (delay: WriteDelay | undefined) => void }) => Promise<WriteOutcome>,
) {
  const waits: (string | undefined)[] = [];
  const first = Promise.withResolvers<string>();
  const outcome = ask({
    onWaiting(delay) {
      waits.push(delay?.message);
      if (delay) first.resolve(delay.message);
    },
  });
  // Some tests end the writer first.
  outcome.catch(() => {});
  return { waits, waiting: first.promise, outcome };
}

test('a protected branch: refused, with the forge’s words', async (t) => {
  const { overHttp, hook, commits } = await httpFixture(t);
  const writer = await overHttp();
  await hook(
    'update',
    '[ "$1" = refs/heads/main ] && { echo "GH006: Protected branch update failed" >&2; exit 1; }; exit 0',
  );
  const outcome = await writer.deploy(deployIntent());
  assert.match(outcome.type === 'refused' ? outcome.message : '', /GH006: Protected branch update failed/);
  assert.deepEqual(await commits(), []);
});

test('a rule that commits are signed: refused without a key, taken with one', async (t) => {
  const { folder, overHttp, hook } = await httpFixture(t);
  const key = join(folder, 'key');
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const allowed = join(folder, 'allowed');
  await writeFile(allowed, `towline@towline.invalid ${await readFile(`${key}.pub`, 'utf8')}`);
  const verify = `git -c gpg.format=ssh -c gpg.ssh.allowedSignersFile=${allowed} verify-commit`;
  await hook(
    'pre-receive',
    `while read old new ref; do for one in $(git rev-list "$old..$new"); do
       ${verify} "$one" 2>/dev/null || { echo "commit $one must be signed" >&2; exit 1; }
     done; done`,
  );
  const unsigned = await overHttp();
  const refused = await unsigned.deploy(deployIntent({ source: '1' }));
  assert.match(refused.type === 'refused' ? refused.message : '', /must be signed/);
  await unsigned[Symbol.asyncDispose]();
  const signing = await overHttp({ signingKey: await readFile(key, 'utf8') });
  const outcomes = await Promise.all(
    ['2', '3', '4'].map((source) => signing.deploy(deployIntent({ source }))),
  );
  assert.deepEqual(
    outcomes.map((one) => one.type),
    ['pushed', 'pushed', 'pushed'],
  );
});

test('a quota on what a push may bring: the large one is refused, the others of its batch go through', async (t) => {
  const { git, remote, overHttp } = await httpFixture(t);
  const writer = await overHttp();
  await git(remote, 'config', 'receive.maxInputSize', '20000');
  const outcomes = await Promise.all([
    writer.deploy(deployIntent({ functionName: 'first' })),
    writer.deploy(deployIntent({ functionName: 'small' })),
    writer.deploy(deployIntent({ functionName: 'large', environment: { NOISE: noise() } })),
    writer.deploy(deployIntent({ functionName: 'last' })),
  ]);
  assert.deepEqual(
    outcomes.map((one) => one.type),
    ['pushed', 'pushed', 'refused', 'pushed'],
  );
  assert.match(
    outcomes[2]?.type === 'refused' ? outcomes[2].message : '',
    /exceeds maximum allowed size|unpack/,
  );
});

test('lost races are pushes too: no more than the remote takes a minute, each on the newest head', async (t) => {
  const { overHttp, hook, remote, folder, git, commits } = await httpFixture(t);
  const races = 3;
  const attempts = join(folder, 'attempts');
  await writeFile(attempts, '');
  // Somebody else is faster whenever the writer pushes, three times.
  await hook(
    'pre-receive',
    `n=$(wc -l < ${attempts}); echo push >> ${attempts}; [ "$n" -ge ${races} ] && exit 0
     unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
     git update-ref refs/heads/main "$(git -c user.name=o -c user.email=o commit-tree 'main^{tree}' -p main -m Note)"`,
  );
  let now = 0;
  const timing = {
    now: () => now,
    async delay(ms: number, signal: AbortSignal) {
      signal.throwIfAborted();
      now += ms;
    },
  };
  const writer = await overHttp({ maxPushesPerMinute: 6 }, { timing });
  assert.equal((await writer.deploy(deployIntent())).type, 'pushed');
  assert.equal((await readFile(attempts, 'utf8')).split('\n').length - 1, races + 1);
  assert.ok(now >= races * 10_000, `${races + 1} pushes in ${now} ms`);
  assert.equal((await commits()).length, 1);
  assert.equal(
    (await git(remote, 'log', '--format=%s', '--grep=^Note$', 'main')).match(/Note/g)?.length,
    races,
  );
});

test('the branch is deleted: deploys wait, say so, and go through once it is back', async (t) => {
  const { git, remote, overHttp, remoteHead, commits } = await httpFixture(t);
  const writer = await overHttp();
  await writer.deploy(deployIntent({ source: '1' }));
  const head = await remoteHead();
  await git(remote, 'update-ref', '-d', 'refs/heads/main');
  const intent = deployIntent({ source: '2' });
  const { waiting, outcome } = patiently((options) => writer.deploy(intent, undefined, options));
  assert.match(await waiting, /has no branch "main"/);
  assert.equal(writer.state().open, 1);
  await git(remote, 'update-ref', 'refs/heads/main', head);
  assert.equal((await outcome).type, 'pushed');
  assert.equal((await commits()).length, 2);
});

test('a remote that accepts and never answers is given up on in time; deploys wait and then go through', async (t) => {
  const { server, overHttp, commits } = await httpFixture(t);
  const writer = await overHttp({ limits: { ...soon, remoteTimeoutMs: 1_000 } });
  server.hangs = true;
  const { waiting, outcome } = patiently((options) => writer.deploy(deployIntent(), undefined, options));
  assert.match(await waiting, /did not answer in time/);
  assert.deepEqual(await writer.current(), [], 'reading goes on');
  server.hangs = false;
  assert.equal((await outcome).type, 'pushed');
  assert.equal((await commits()).length, 1);
});

test('the answer to a push is lost on its way: each intent is exactly one commit all the same', async (t) => {
  const { server, overHttp, commits } = await httpFixture(t);
  const writer = await overHttp();
  const first = await writer.deploy(deployIntent({ source: '1' }));
  const second = await writer.deploy(deployIntent({ source: '2' }));
  assert.ok(first.type === 'pushed' && second.type === 'pushed');
  server.dropsNextAnswer = true;
  const deployed = patiently((options) => writer.deploy(deployIntent({ source: '3' }), undefined, options));
  assert.equal((await deployed.outcome).type, 'pushed');
  server.dropsNextAnswer = true;
  const intent = { ...hello, toCommit: first.commit, reason: 'too loud', actor: alice };
  const reverted = patiently((options) => writer.revert(intent, undefined, options));
  assert.equal((await reverted.outcome).type, 'pushed');
  assert.equal((await commits()).length, 4);
  const entries = await writer.history(hello);
  assert.deepEqual(
    entries.map((one) => one.number),
    [4, 3, 2, 1],
  );
});

test('a revert whose answer was lost is not done again after a restart, whatever came after it', async (t) => {
  const gitops = await httpFixture(t);
  const { server, overHttp, commits, hook, remote } = gitops;
  const writer = await overHttp();
  const first = await writer.deploy(deployIntent({ source: '1' }));
  await writer.deploy(deployIntent({ source: '2' }));
  assert.ok(first.type === 'pushed');
  // From the push on the writer is cut off.
  await hook('post-receive', `mv ${remote}/HEAD ${remote}/HEAD.away`);
  server.dropsNextAnswer = true;
  const intent = { ...hello, toCommit: first.commit, reason: 'too loud', actor: alice };
  await patiently((options) => writer.revert(intent, undefined, options)).waiting;
  await writer[Symbol.asyncDispose]();
  await rm(join(remote, 'hooks', 'post-receive'));
  await rename(join(remote, 'HEAD.away'), join(remote, 'HEAD'));
  const other = await overHttp({ clonePath: join(gitops.folder, 'other.git') });
  assert.equal((await other.deploy(deployIntent({ source: '3' }))).type, 'pushed');
  const again = await overHttp();
  await again.deploy(deployIntent({ source: '4', functionName: 'other' }));
  assert.equal(again.state().open, 0);
  assert.equal((await commits()).filter((one) => one.startsWith('revert(')).length, 1);
  assert.equal((await again.history(hello))[0]?.sourceCommit, '3'.repeat(40));
});

test('what was accepted while the remote was away is written by the next process, in order, unasked', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ limits: soon });
  await writer.deploy(deployIntent({ source: '0' }));
  await rename(gitops.remote, `${gitops.remote}.away`);
  const intents = [...'123456'].map((source) => deployIntent({ source, buildId: `kept-${source}` }));
  for (const intent of intents) await writer.submit({ kind: 'deploy', intent }).accepted;
  const { open, oldest } = writer.state();
  assert.equal(open, 6);
  assert.deepEqual(
    oldest.map(({ kind }) => kind),
    Array.from({ length: 6 }, () => 'deploy'),
  );
  await assert.rejects(writer.deploy(deployIntent({ source: '7', buildId: 'kept-7' })), /cannot be reached/);
  assert.equal(writer.state().waiting?.code, 'remote_unavailable');
  await writer[Symbol.asyncDispose]();
  await rename(`${gitops.remote}.away`, gitops.remote);
  const next = await gitops.writer();
  const outcomes = await Promise.all(intents.map((intent) => next.deploy(intent)));
  assert.ok(outcomes.every((one) => one.type === 'pushed'));
  await next.deploy(deployIntent({ functionName: 'last' }));
  const entries = await next.history(hello);
  assert.deepEqual(
    entries.map((one) => one.sourceCommit?.[0]),
    [...'76543210'],
  );
  assert.equal(next.state().open, 0);
});

test('history is rewritten while deploys wait: they are decided on what is there now', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ limits: soon });
  const first = await writer.deploy(deployIntent({ source: '1' }));
  await writer.deploy(deployIntent({ source: '2' }));
  assert.ok(first.type === 'pushed');
  await rename(gitops.remote, `${gitops.remote}.away`);
  const kept = patiently((options) => writer.deploy(deployIntent({ source: '3' }), undefined, options));
  await kept.waiting;
  await gitops.git(`${gitops.remote}.away`, 'update-ref', 'refs/heads/main', first.commit);
  await rename(`${gitops.remote}.away`, gitops.remote);
  const outcome = await kept.outcome;
  assert.equal(outcome.type === 'pushed' && outcome.written[0]?.number, 2);
});

/** A small disk of its own, which can be filled: the kernel's own words. Only where one may be mounted. */
async function smallDisk(t: TestContext): Promise<string | undefined> {
  const path = await mkdtemp(join(tmpdir(), 'towline-disk-'));
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', path]).then(
    () => true,
    () => false,
  );
  t.after(async () => {
    if (mounted) await run('umount', ['-l', path]);
    await rm(path, { recursive: true, force: true });
  });
  return mounted ? path : undefined;
}

/**
 * A git that cannot write files beyond a kilobyte while `full` is there, which needs no rights: what runs out is the
 * process's own limit instead of the disk, so git is ended by the kernel and has no words for it.
 */
async function limitedGit(
  folder: string,
): Promise<{ path: string; fill(): Promise<void>; empty(): Promise<void> }> {
  const bin = join(folder, 'limited');
  const full = join(folder, 'full');
  await mkdir(bin);
  const script = `#!/bin/sh\n[ -e ${full} ] && ulimit -f 2\nPATH=${searchPath} exec git "$@"\n`;
  await writeFile(join(bin, 'git'), script, { mode: 0o755 });
  return {
    path: `${bin}:${searchPath}`,
    fill: () => writeFile(full, ''),
    empty: () => rm(full),
  };
}

async function fill(folder: string): Promise<void> {
  for (let size = 1_000_000; size >= 1; size = Math.floor(size / 4)) {
    for (let n = 0; n < 20; n += 1) {
      const full = await writeFile(join(folder, `fill-${size}-${n}`), Buffer.alloc(size)).then(
        () => false,
        () => true,
      );
      if (full) break;
    }
  }
}

async function empty(folder: string): Promise<void> {
  await run('sh', ['-c', 'rm -f "$1"/fill-*', 'sh', folder]);
}

test('the disk of the clone is full: deploys wait, say so, and go through once there is room', async (t) => {
  const gitops = await gitopsFixture(t);
  const disk = await smallDisk(t);
  if (disk === undefined)
    return t.skip('no disk may be mounted here; the limited git below stands for it, and always runs');
  const config = {
    clonePath: join(disk, 'writer.git'),
    intentsPath: join(gitops.folder, 'intents.db'),
    indexPath: join(gitops.folder, 'index.db'),
    limits: soon,
  };
  const writer = await gitops.writer(config);
  assert.equal((await writer.deploy(deployIntent({ source: '1' }))).type, 'pushed');
  await fill(disk);
  const kept = patiently((options) => writer.deploy(deployIntent({ source: '2' }), undefined, options));
  assert.match(await kept.waiting, /no room/);
  await empty(disk);
  assert.equal((await kept.outcome).type, 'pushed');
  assert.equal((await writer.history(hello)).length, 2);
});

test('the writer’s gits may write no more: deploys wait, say so, and go through once they may', async (t) => {
  const gitops = await gitopsFixture(t);
  const { path, fill, empty } = await limitedGit(gitops.folder);
  const first = await gitops.writer({ path, limits: soon });
  assert.equal((await first.deploy(deployIntent({ source: '1' }))).type, 'pushed');
  await first[Symbol.asyncDispose]();
  await fill();
  const writer = await gitops.writer({ path, limits: soon });
  const intent = deployIntent({ source: '2', environment: { NOTE: noise() } });
  const kept = patiently((options) => writer.deploy(intent, undefined, options));
  assert.match(await kept.waiting, /no room/);
  await empty();
  assert.equal((await kept.outcome).type, 'pushed');
  assert.equal((await writer.history(hello)).length, 2);
});

test('the disk of the intent log is full: nothing is acknowledged, nothing half kept', async (t) => {
  const gitops = await gitopsFixture(t);
  // The process's own limit: SQLite meets a real failing write, with no right to mount needed.
  const limit = (bytes: number | 'unlimited') =>
    run('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);
  t.after(() => limit('unlimited'));
  const writer = await gitops.writer({ limits: soon });
  assert.equal((await writer.deploy(deployIntent({ source: '1' }))).type, 'pushed');
  const environment = { NOTE: 'x'.repeat(400_000) };
  await limit(300_000);
  const submission = writer.submit({ kind: 'deploy', intent: deployIntent({ source: '2', environment }) });
  await assert.rejects(submission.accepted, /intent log cannot be written/);
  assert.equal(writer.state().open, 0);
  await limit('unlimited');
  assert.equal((await writer.deploy(deployIntent({ source: '3' }))).type, 'pushed');
  assert.equal((await writer.history(hello)).length, 2);
});

test('the remote’s disk is full: deploys wait, say so, and go through once there is room', async (t) => {
  const gitops = await gitopsFixture(t);
  const disk = await smallDisk(t);
  if (disk === undefined)
    return t.skip('no disk may be mounted here; the limited git below stands for it, and always runs');
  const remote = join(disk, 'gitops.git');
  await gitops.git(gitops.folder, 'clone', '--quiet', '--bare', gitops.remote, remote);
  const server = await startGitHttpServer({ root: disk, path: searchPath });
  t.after(() => server[Symbol.asyncDispose]());
  const writer = await gitops.writer({ remoteUrl: `${server.url}/gitops.git`, limits: soon });
  assert.equal((await writer.deploy(deployIntent({ source: '1' }))).type, 'pushed');
  await fill(disk);
  const intent = deployIntent({ source: '2', environment: { NOTE: noise() } });
  const kept = patiently((options) => writer.deploy(intent, undefined, options));
  assert.match(await kept.waiting, /cannot take the push now.*No space left/);
  await empty(disk);
  assert.equal((await kept.outcome).type, 'pushed');
  assert.equal((await writer.deploy(deployIntent({ source: '3' }))).type, 'pushed');
  await gitops.git(remote, 'fsck');
});

test('the remote’s gits may write no more: deploys wait, say so, and go through once they may', async (t) => {
  const gitops = await gitopsFixture(t);
  const { path, fill, empty } = await limitedGit(gitops.folder);
  const server = await startGitHttpServer({ root: gitops.folder, path });
  t.after(() => server[Symbol.asyncDispose]());
  const writer = await gitops.writer({ remoteUrl: `${server.url}/gitops.git`, limits: soon });
  assert.equal((await writer.deploy(deployIntent({ source: '1' }))).type, 'pushed');
  await fill();
  const intent = deployIntent({ source: '2', environment: { NOTE: noise() } });
  const kept = patiently((options) => writer.deploy(intent, undefined, options));
  assert.match(await kept.waiting, /cannot take the push now.*unpacker error/);
  await empty();
  assert.equal((await kept.outcome).type, 'pushed');
  await gitops.git(gitops.remote, 'fsck');
});

function noise(): string {
  let text = '';
  for (let n = 0; text.length < 60_000; n += 1) text += Math.sin(n).toString(36);
  return text;
}
