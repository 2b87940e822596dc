import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { zeroSha } from '../../core/names.ts';
import { createPlatform, git, stackFiles, summary } from './platform-in-memory.test.ts';

/** Nine levels of ten entries each, in ten objects. */
function commitTreeBomb(dir: string, leaf: string, parent: string): string {
  const run = (args: string[], input: string) =>
    execFileSync('git', args, { cwd: dir, input, encoding: 'utf8' }).trim();
  const empty = leaf.endsWith('blob') ? ['hash-object', '-w', '--stdin'] : ['mktree'];
  let entry = `${leaf} ${run(empty, '')}`;
  for (let level = 0; level < 9; level += 1) {
    const rows = [...Array(10).keys()].map((n) => `${entry}\t${n}\n`);
    entry = `040000 tree ${run(['mktree'], rows.join(''))}`;
  }
  const commit = git(dir, 'commit-tree', '-p', parent, '-m', 'Grow', entry.split(' ')[2]!);
  git(dir, 'update-ref', 'refs/heads/main', commit);
  return commit;
}

describe('a push', () => {
  it('becomes one commit per function and is followed until it is live', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const event = repo.commit(
      stackFiles({ hello: 'one', bye: 'lines 2' }),
      'Fix \u001b[31mgreeting\n\nand more',
    );
    const push = await platform.deliver(event);

    assert.deepEqual(summary(push), { hello: 'live', bye: 'live' });
    assert.equal(push.state, 'done');
    const hello = push.deploys.find((deploy) => deploy.functionName === 'hello')!;
    assert.equal(hello.sourceSubject, 'Fix [31mgreeting', 'without control characters');
    assert.equal(hello.number, 1);
    assert.deepEqual(
      hello.steps.map((step) => step.stage),
      ['queue', 'clone', 'detect', 'build', 'commit', 'apply', 'live'],
    );
    assert.ok(hello.steps.every((step) => step.endedAt !== null && step.endedAt >= step.startedAt));
    assert.match(
      hello.image!,
      /^artifact\.towline\.internal\/alice\/shop-hello:latest-main-[0-9a-f]{7}@sha256:/,
    );
    const log = await platform.logOf(push.id);
    const short = event.after.slice(0, 7);
    assert.equal(log[0], `clone ${short} Fix [31mgreeting`);
    assert.ok(log.includes('hello: node, 2 files'), log.join('\n'));
    assert.ok(log.includes(`hello: committed as #1 (gitops ${hello.gitopsCommit!.slice(0, 7)})`));
    assert.ok(log.includes('hello is live: http://alice.localhost/hello'));
    assert.deepEqual(
      log.filter((line) => line.startsWith('line ')),
      ['line 1', 'line 2'],
    );
    assert.deepEqual(readdirSync(join(platform.root, 'work', 'builder')), []);
  });

  it('publishes its changes and every line, in order', async () => {
    await using platform = await createPlatform();
    const push = await platform.deliver(
      platform.repo('alice', 'shop').commit(stackFiles({ hello: 'lines 3' })),
    );
    const states = platform.seen.flatMap((event) =>
      event.type === 'push.changed' ? (event.push.deploys[0]?.state ?? []) : [],
    );
    const order = ['queued', 'building', 'built', 'committed', 'applied', 'live'];
    const seen = [...new Set(states)];
    // Changes that follow closely are published together.
    assert.deepEqual(
      seen,
      order.filter((state) => seen.some((each) => each === state)),
    );
    assert.equal(seen.at(-1), 'live');
    const numbers = platform.seen.flatMap((event) => (event.type === 'log.line' ? event.line.n : []));
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => index + 1),
    );
    const last = platform.seen.findLast((event) => event.type === 'push.changed');
    assert.deepEqual(last?.type === 'push.changed' && last.push, push);
  });

  it('fails one function without its siblings, and says which version stays live', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    await platform.deliver(repo.commit(stackFiles({ hello: 'one', bye: 'one' })));
    const push = await platform.deliver(repo.commit(stackFiles({ hello: 'fail', bye: 'two' })));
    assert.deepEqual(summary(push), { hello: 'failed', bye: 'live' });
    assert.equal(push.deploys[0]?.stage, 'build');
    assert.equal(push.deploys[0]?.cause?.code, 'build_failed');
    const log = await platform.logOf(push.id);
    assert.ok(log.includes('hello failed at build: the tests failed; version #1 stays live'), log.join('\n'));
    assert.deepEqual(platform.writer.deployed('alice'), ['bye', 'hello']);
  });

  it('claims no version where none is served', async () => {
    await using platform = await createPlatform();
    const push = await platform.deliver(platform.repo('alice', 'shop').commit(stackFiles({ hello: 'fail' })));
    assert.ok((await platform.logOf(push.id)).includes('hello failed at build: the tests failed'));
    const pending = platform.builder().pending('alice', 'hello');
    assert.deepEqual(pending, {
      status: 'Failed',
      reason: 'its deploy failed at build: the tests failed',
      publicReason: 'its deploy failed at build; whoever owns it sees why in the dashboard',
    });
    assert.equal(platform.builder().pending('alice', 'other'), undefined);
  });

  it('that never gets healthy fails at live with the cause', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const first = await platform.deliver(repo.commit(stackFiles({ hello: 'one' })));
    platform.reconciler.beforeLive = async () => ({
      type: 'failed',
      stage: 'live',
      cause: { code: 'unhealthy', message: 'it exits at once' },
    });
    const push = await platform.deliver(repo.commit(stackFiles({ hello: 'two' })));
    assert.equal(first.deploys[0]?.state, 'live');
    assert.deepEqual([push.deploys[0]?.state, push.deploys[0]?.stage], ['failed', 'live']);
    assert.ok(
      (await platform.logOf(push.id)).includes(
        'hello failed at live: it exits at once; version #1 stays live',
      ),
    );
  });

  it('that is never ready fails when its time is over', async () => {
    await using platform = await createPlatform({ config: { readyFollowTimeoutMs: 30 } });
    platform.reconciler.beforeLive = (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const push = await platform.deliver(platform.repo('alice', 'shop').commit(stackFiles({ hello: 'one' })));
    assert.deepEqual([push.deploys[0]?.state, push.deploys[0]?.cause?.code], ['failed', 'timeout']);
  });

  it('builds its functions in parallel, but only so many at once, leaving a place to others', async () => {
    await using platform = await createPlatform({ config: { maxConcurrentBuilds: 3 } });
    const names = [...Array(7)].map((_, index) => `fn${index}`);
    const gates = names.map((name) => platform.gate(`alice/shop/${name}`));
    const files = stackFiles(Object.fromEntries(names.map((name) => [name, name])));
    const { id } = await platform.send(platform.repo('alice', 'shop').commit(files));
    await Promise.all([gates[0]!.entered, gates[1]!.entered]);
    assert.equal((await platform.builder().push(id))?.deploys.length, 7);
    for (const gate of gates) gate.open();
    await platform.builder().drain();
    assert.ok((await platform.builder().push(id))?.deploys.every((deploy) => deploy.state === 'live'));
    assert.equal(platform.engine.mostRunning, 2);
  });

  it('carries the warnings of its stack file, with their place', async () => {
    await using platform = await createPlatform();
    const files = stackFiles({ hello: 'one' });
    const stack = `${files['stack.yml']}    unknown_field: 1\n`;
    const push = await platform.deliver(
      platform.repo('alice', 'shop').commit({ ...files, 'stack.yml': stack }),
    );
    assert.match(push.deploys[0]?.warnings[0] ?? '', /stack\.yml:\d.*unknown_field/);
    assert.ok((await platform.logOf(push.id)).includes(push.deploys[0]!.warnings[0]!));
  });

  it('waits for a GitOps repository that is away, visibly', async () => {
    await using platform = await createPlatform();
    platform.writer.away = Number.POSITIVE_INFINITY;
    const isSeen = () =>
      platform.seen.some(
        (event) =>
          event.type === 'push.changed' && event.push.deploys[0]?.cause?.code === 'remote_unavailable',
      );
    const { id } = await platform.send(platform.repo('alice', 'shop').commit(stackFiles({ hello: 'one' })));
    while (!isSeen()) await wait(5);
    platform.writer.away = 0;
    await platform.builder().drain();
    const push = (await platform.builder().push(id))!;
    assert.deepEqual(summary(push), { hello: 'live' });
    assert.equal(push.deploys[0]?.cause, null);
    const waited = (await platform.logOf(push.id)).filter((line) =>
      line.startsWith('waiting: the GitOps repository'),
    );
    assert.ok(waited.length >= 1);
  });

  it('whose function name belongs to another repository is refused', async () => {
    await using platform = await createPlatform();
    await platform.deliver(platform.repo('alice', 'shop').commit(stackFiles({ hello: 'one' })));
    const push = await platform.deliver(platform.repo('alice', 'blog').commit(stackFiles({ hello: 'two' })));
    assert.deepEqual([push.deploys[0]?.state, push.deploys[0]?.cause?.code], ['failed', 'name_taken']);
    assert.equal(platform.writer.commits.length, 1);
  });
});

describe('a push that brings nothing to build', () => {
  const cases = [
    {
      title: 'to another branch',
      ref: 'refs/heads/feature',
      after: 'b'.repeat(40),
      note: /only the branch main .* feature/,
    },
    { title: 'of a tag', ref: 'refs/tags/v1', after: 'b'.repeat(40), note: /tags are not deployed \(v1\)/ },
    { title: 'of another kind of ref', ref: 'refs/notes/x', after: 'b'.repeat(40), note: /not a branch/ },
    {
      title: 'that deletes the branch',
      ref: 'refs/heads/main',
      after: zeroSha,
      note: /branch main was deleted/,
    },
  ];
  for (const { title, ref, after, note } of cases) {
    it(`${title} is noted and skipped`, async () => {
      await using platform = await createPlatform();
      const repo = platform.repo('alice', 'shop');
      await platform.deliver(repo.commit(stackFiles({ hello: 'one' })));
      const push = await platform.deliver(repo.event(repo.head(), after, ref));
      assert.equal(push.state, 'done');
      assert.match(push.note ?? '', note);
      assert.deepEqual(push.deploys, []);
      assert.deepEqual(await platform.logOf(push.id), [push.note]);
      assert.deepEqual(platform.writer.deployed('alice'), ['hello']);
    });
  }
});

describe('a push with a bad source', () => {
  const good = stackFiles({ hello: 'one' });
  const cases: {
    title: string;
    files: Record<string, string>;
    code: string;
    stage: string;
    name: string | null;
    log: RegExp;
  }[] = [
    {
      title: 'without stack.yml',
      files: { 'README.md': 'hi' },
      code: 'stack_missing',
      stage: 'detect',
      name: null,
      log: /^push failed at detect: /,
    },
    {
      title: 'with invalid YAML',
      files: { ...good, 'stack.yml': 'functions:\n  hello: [\n' },
      code: 'stack_invalid',
      stage: 'detect',
      name: null,
      log: /stack\.yml:\d/,
    },
    {
      title: 'with an unknown language',
      files: { ...good, 'stack.yml': good['stack.yml']!.replace('lang: node', 'lang: cobol') },
      code: 'language_unknown',
      stage: 'detect',
      name: 'hello',
      log: /^hello failed at detect: stack\.yml:\d/,
    },
    {
      title: 'without its handler',
      files: { 'stack.yml': good['stack.yml']! },
      code: 'handler_missing',
      stage: 'build',
      name: 'hello',
      log: /^hello failed at build: stack\.yml:\d/,
    },
    {
      title: 'with a handler outside the repository',
      files: { ...good, 'stack.yml': good['stack.yml']!.replace('./hello', '../../etc') },
      code: 'path_escapes',
      stage: 'detect',
      name: 'hello',
      log: /^hello failed at /,
    },
  ];
  for (const { title, files, code, stage, name, log } of cases) {
    it(`${title} fails with place and cause, removes nothing, and the next good push mends it`, async () => {
      await using platform = await createPlatform();
      const repo = platform.repo('alice', 'shop');
      await platform.deliver(repo.commit(stackFiles({ hello: 'one' })));
      const push = await platform.deliver(repo.commit(files));
      const [deploy] = push.deploys;
      assert.deepEqual([deploy?.functionName, deploy?.state, deploy?.cause?.code], [name, 'failed', code]);
      assert.equal(deploy?.stage, stage);
      const lines = await platform.logOf(push.id);
      assert.ok(
        lines.some((line) => log.test(line)),
        lines.join('\n'),
      );
      assert.deepEqual(platform.writer.deployed('alice'), ['hello']);
      const mended = await platform.deliver(repo.commit(stackFiles({ hello: 'three' })));
      assert.deepEqual(summary(mended), { hello: 'live' });
    });
  }

  it('that is larger than the limit fails before its files are unfolded', async () => {
    await using platform = await createPlatform({ config: { maxContextBytes: 100_000 } });
    const files = { ...stackFiles({ hello: 'one' }), 'zeros.txt': '0'.repeat(5_000_000) };
    const push = await platform.deliver(platform.repo('alice', 'shop').commit(files));
    assert.deepEqual([push.deploys[0]?.stage, push.deploys[0]?.cause?.code], ['clone', 'context_too_large']);
  });

  it('that unfolds to a billion files, or folders, fails before they are unfolded', async () => {
    for (const leaf of ['100644 blob', '040000 tree']) {
      await using platform = await createPlatform();
      const repo = platform.repo('alice', 'shop');
      const { after } = repo.commit(stackFiles({ hello: 'one' }));
      const bomb = commitTreeBomb(repo.dir, leaf, after);
      const push = await platform.deliver(repo.event(after, bomb));
      const [deploy] = push.deploys;
      assert.deepEqual([deploy?.stage, deploy?.cause?.code], ['clone', 'context_too_large']);
      assert.equal(deploy?.cause?.message, 'the repository has more than 100000 files and folders');
    }
  });

  it('runs no hook, filter or submodule of the repository', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const push = await platform.deliver(
      repo.commit({
        ...stackFiles({ hello: 'one' }),
        '.gitattributes': '* filter=evil\n',
        '.gitmodules': '[submodule "x"]\n\tpath = x\n\turl = ../blog\n',
      }),
    );
    assert.deepEqual(summary(push), { hello: 'live' });
  });
});

describe('functions that are gone', () => {
  it('from stack.yml are removed; those that only failed to build are not', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    await platform.deliver(platform.repo('alice', 'blog').commit(stackFiles({ post: 'one' })));
    await platform.deliver(platform.repo('bob', 'shop').commit(stackFiles({ hello: 'one' })));
    await platform.deliver(repo.commit(stackFiles({ hello: 'one', bye: 'one', broken: 'one' })));
    const push = await platform.deliver(repo.commit(stackFiles({ hello: 'two', broken: 'fail' })));
    assert.deepEqual(summary(push), { hello: 'live', broken: 'failed', bye: 'removed' });
    assert.deepEqual(platform.writer.deployed('alice'), ['broken', 'hello', 'post']);
    assert.deepEqual(platform.writer.deployed('bob'), ['hello']);
    assert.ok((await platform.logOf(push.id)).includes('bye is removed'));
  });

  it('by a new name are deployed under it first', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    await platform.deliver(repo.commit(stackFiles({ hello: 'one' })));
    const push = await platform.deliver(repo.commit(stackFiles({ greet: 'one' })));
    assert.deepEqual(summary(push), { greet: 'live', hello: 'removed' });
    const kinds = platform.writer.commits.map((commit) => `${commit.kind} ${commit.functionNames}`);
    assert.deepEqual(kinds, ['deploy hello', 'deploy greet', 'remove hello']);
    assert.deepEqual(
      platform.reconciler.followed.map((target) => target.functionName),
      ['hello', 'greet', 'hello'],
    );
  });

  it('with their repository are removed in one commit, and its pushes dropped', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    await platform.deliver(platform.repo('alice', 'blog').commit(stackFiles({ post: 'one' })));
    await platform.deliver(repo.commit(stackFiles({ hello: 'one', bye: 'one' })));
    const gate = platform.gate('alice/shop/hello');
    const { id } = await platform.send(repo.commit(stackFiles({ hello: 'two', bye: 'one' })));
    await gate.entered;
    const { repository, scm, actor } = repo.event(zeroSha, zeroSha);
    const gone = await platform.deliver({ type: 'repository-deleted', id: 'gone', scm, repository, actor });
    assert.deepEqual(summary(gone), { hello: 'removed', bye: 'removed' });
    assert.deepEqual(platform.writer.deployed('alice'), ['post']);
    assert.equal(platform.writer.commits.at(-1)?.kind, 'remove');
    assert.equal((await platform.builder().push(id))?.deploys[0]?.state, 'superseded');
  });

  it('with their repository come back when it is made and pushed again with the same commit', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const first = repo.commit(stackFiles({ hello: 'one' }));
    await platform.deliver(first);
    const { repository, scm, actor } = first;
    await platform.deliver({ type: 'repository-deleted', id: 'gone', scm, repository, actor });
    const again = await platform.deliver({ ...first, id: 'again' });
    assert.equal(again?.id, 'again');
    assert.deepEqual(summary(again), { hello: 'live' });
    assert.deepEqual(platform.writer.deployed('alice'), ['hello']);
  });
});

describe('a source that is away', () => {
  it('is waited for', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const event = repo.commit(stackFiles({ hello: 'one' }));
    renameSync(repo.dir, `${repo.dir}.away`);
    const { id } = await platform.send(event);
    for await (const { text } of platform.builder().log(id, 0, AbortSignal.timeout(120_000))) {
      if (text.startsWith('waiting: the source repository cannot be reached')) break;
    }
    renameSync(`${repo.dir}.away`, repo.dir);
    await platform.builder().drain();
    assert.deepEqual(summary((await platform.builder().push(id))!), { hello: 'live' });
  });

  it('fails the push when the patience is over', async () => {
    await using platform = await createPlatform({ config: { remotePatienceMs: 20 } });
    const repo = platform.repo('alice', 'shop');
    const event = repo.commit(stackFiles({ hello: 'one' }));
    const missing = { ...event, repository: { ...event.repository, name: 'nowhere' } };
    const push = await platform.deliver(missing);
    assert.deepEqual([push.deploys[0]?.stage, push.deploys[0]?.cause?.code], ['clone', 'remote_unavailable']);
    assert.ok(!JSON.stringify(push).includes(platform.root));
  });
});

describe('secrets.yml', () => {
  const secrets = 'kind: SealedSecret\n';

  it('is handed to the writer before the functions are, and emptied when it is gone', async () => {
    await using platform = await createPlatform();
    const repo = platform.repo('alice', 'shop');
    const seen: number[] = [];
    platform.writer.beforeCommit = async () => void seen.push(platform.writer.secrets.length);
    const first = repo.commit({ ...stackFiles({ hello: 'one' }), 'secrets.yml': secrets });
    await platform.deliver(first);
    assert.deepEqual(seen, [1]);
    const [given] = platform.writer.secrets;
    assert.deepEqual(
      [given?.owner, given?.repo, given?.documents, given?.sourceCommit],
      ['alice', 'shop', secrets, first.after],
    );
    await platform.deliver(repo.commit(stackFiles({ hello: 'two' })));
    assert.equal(platform.writer.secrets.at(-1)?.documents, '');
    assert.equal(platform.writer.secrets.length, 2);
  });

  it('that is refused is said on every function of the push, and stops none', async () => {
    await using platform = await createPlatform();
    platform.writer.secretsOutcome = {
      type: 'refused',
      code: 'manifest_refused',
      message: 'secrets.yml: line 1: it is not encrypted',
    };
    const files = { ...stackFiles({ hello: 'one' }), 'secrets.yml': secrets };
    const push = await platform.deliver(platform.repo('alice', 'shop').commit(files));
    assert.deepEqual(summary(push), { hello: 'live' });
    assert.deepEqual(push.deploys[0]?.warnings, ['secrets.yml: line 1: it is not encrypted']);
    assert.ok((await platform.logOf(push.id)).includes('secrets.yml: line 1: it is not encrypted'));
  });
});
