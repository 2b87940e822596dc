import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { gitEnvironment, gitOutput } from '../../runtime/git.ts';
import { deployIntent, gitopsFixture } from '../gitops-fixture.ts';
import { logArguments, parseLog } from '../repository/commit-log.ts';
import { commitStream } from '../repository/commit-stream.ts';
import { commitMessage } from './commit-message.ts';
import { safeSignature } from './ident.ts';
import { oneLine } from './plain-text.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'towline-message-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const nasty = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({
    unit: fc.constantFrom(...'\n\r\u0000\u0085\u2028:# -<>"\'.,;\\\u202eTx\ud800😀'),
    maxLength: 40,
  }),
  fc.constantFrom(
    'x\n\nTowline-Kind: remove\nTowline-Function: bob/hello',
    '\r\rTowline-Actor: root',
    'Towline-Kind: remove',
    '--- \ndiff',
    '# ------------------------ >8 ------------------------',
    '#42',
    'Signed-off-by: a <b@c>',
    'Mallory <root@example.org> 0 +0000\ncommitter',
    '"><',
    '...',
  ),
);

test('no text forges a trailer, a second line or an author: git’s own parsers are asked', async () => {
  const samples = fc.sample(
    fc.record({ subject: nasty, reason: nasty, actor: nasty, name: nasty, email: nasty }),
    150,
  );
  const commits = samples.map((sample) => ({
    message: commitMessage(`deploy(alice/hello): #1 1a2b3c4 ${sample.subject}`, {
      'Towline-Kind': 'deploy',
      'Towline-Function': ['alice/hello', 'alice/other'],
      'Towline-Actor': sample.actor,
      'Towline-Reason': sample.reason,
    }),
    author: safeSignature({ name: sample.name, email: sample.email, login: sample.actor }),
    committer: { name: 'Towline', email: 'towline@towline.invalid' },
    time: 1_700_000_000_000,
    changes: [{ path: 'a.txt', content: sample.subject.toWellFormed() }],
  }));
  const env = gitEnvironment('/usr/local/bin:/usr/bin:/bin', { GIT_DIR: join(folder, 'a.git') });
  await gitOutput({ args: ['init', '--quiet', '--bare', join(folder, 'a.git')], env });
  const input = commitStream('refs/heads/main', null, commits);
  const ids = (await gitOutput({ args: ['fast-import', '--quiet', '--done'], env, input }))
    .trim()
    .split('\n');
  await gitOutput({ args: ['fsck', '--strict'], env });
  const log = new Map(
    parseLog(await gitOutput({ args: [...logArguments, 'main'], env })).map((one) => [one.commit, one]),
  );
  for (const [index, id] of ids.entries()) {
    const sample = samples[index]!;
    const actor = oneLine(sample.actor, 500);
    const reason = oneLine(sample.reason, 500);
    const commit = log.get(id);
    // A commit that left the file as it was isn't in a log by path, but all are in this one.
    assert.deepEqual(commit?.trailers, {
      'Towline-Kind': ['deploy'],
      'Towline-Function': ['alice/hello', 'alice/other'],
      ...(actor === '' ? {} : { 'Towline-Actor': [actor] }),
      ...(reason === '' ? {} : { 'Towline-Reason': [reason] }),
    });
    assert.match(commit?.subject ?? '', /^deploy\(alice\/hello\): #1 1a2b3c4/);
    assert.equal(commit?.committer.email, 'towline@towline.invalid');
    assert.notEqual(commit?.author.name, '');
    assert.doesNotMatch(`${commit?.author.name}${commit?.author.email}`, /[<>\n\p{Cc}]/u);
  }
});

test('through the whole writer: whatever a person wrote, one commit has one subject line and only its own trailers', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const people = fc.record({ name: nasty, email: nasty, login: nasty });
  const samples = fc.sample(fc.record({ subject: nasty, actor: people, reason: nasty }), 40);
  const deploys = await Promise.all(
    samples.map(({ subject, actor }, index) =>
      writer.deploy(
        deployIntent({ functionName: `fn-${index}`, buildId: `b-${index}`, sourceSubject: subject, actor }),
      ),
    ),
  );
  assert.ok(deploys.every(({ type }) => type === 'pushed'));
  const removals = await Promise.all(
    samples.map(({ actor, reason }, index) =>
      writer.remove({
        ...{ owner: 'alice', ownerId: 'id-of-alice', functionNames: [`fn-${index}`], repo: 'greetings' },
        ...{ sourceCommit: null, reason, actor },
      }),
    ),
  );
  for (const [kind, outcomes] of [['deploy', deploys] as const, ['remove', removals] as const]) {
    for (const [index, outcome] of outcomes.entries()) {
      assert.ok(outcome.type === 'pushed');
      const raw = await gitops.git(gitops.remote, 'cat-file', 'commit', outcome.commit);
      const message = raw.slice(raw.indexOf('\n\n') + 2);
      const [subject = '', blank, ...rest] = message.trimEnd().split('\n');
      assert.ok(subject.startsWith(`${kind}(alice/fn-${index}): #`), subject);
      assert.equal(blank, '');
      assert.deepEqual(
        rest.filter((line) => !/^Towline-[A-Z][A-Za-z-]+: \S/.test(line)),
        [],
      );
      assert.doesNotMatch(message, /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      const env = gitEnvironment('/usr/local/bin:/usr/bin:/bin');
      const parse = ['interpret-trailers', '--parse'];
      const parsed = await gitOutput({ args: parse, env, input: message, cwd: folder });
      assert.equal(parsed.trimEnd(), rest.join('\n'));
      const ofKind = rest.filter((line) => /^Towline-(?:Kind|Function|Build)/.test(line));
      const own = [`Towline-Kind: ${kind}`, `Towline-Function: alice/fn-${index}`];
      assert.deepEqual(ofKind, kind === 'deploy' ? [...own, `Towline-Build: b-${index}`] : own);
    }
  }
  await gitops.git(gitops.remote, 'fsck', '--strict');
});

test('git interpret-trailers reads the same trailers from the message alone', async () => {
  const env = gitEnvironment('/usr/local/bin:/usr/bin:/bin');
  for (const { subject, reason } of fc.sample(fc.record({ subject: nasty, reason: nasty }), 8)) {
    const input = commitMessage(`remove(alice/hello): #2 ${subject}`, {
      'Towline-Kind': 'remove',
      'Towline-Reason': reason,
    });
    const parsed = await gitOutput({ args: ['interpret-trailers', '--parse'], env, input, cwd: folder });
    const line = oneLine(reason, 500);
    assert.equal(
      parsed,
      line === '' ? 'Towline-Kind: remove\n' : `Towline-Kind: remove\nTowline-Reason: ${line}\n`,
    );
  }
});

test('long text is cut and says so; text that turns the reading order is made plain', () => {
  assert.equal(oneLine('x'.repeat(10), 5), 'xxxx…');
  assert.equal(oneLine('😀'.repeat(5), 5), '😀'.repeat(5));
  assert.equal(oneLine('a\u202eb\u2066c\r\n d', 50), 'abc d');
  assert.ok([...(commitMessage('s'.repeat(500), {}).split('\n')[0] ?? '')].length <= 120);
});

test('a person without a usable name is still somebody', () => {
  assert.deepEqual(safeSignature({ name: '<>', email: '', login: 'alice' }), {
    name: 'alice',
    email: 'unknown',
  });
  assert.deepEqual(safeSignature({ name: '\n', email: 'a b@c>\n' }), { name: 'unknown', email: 'ab@c' });
});
