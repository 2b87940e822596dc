import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ManifestWriter, WriteOutcome } from '../core/manifest-writer.ts';
import type { DurableManifestWriter } from './create-manifest-writer.ts';
import { alice, deployIntent, gitopsFixture, sha } from './gitops-fixture.ts';

const hello = { owner: 'alice', ownerId: 'id-of-alice', functionName: 'hello' };
const asked = (reason = '') => ({ ...hello, reason, actor: alice });

function pushed(outcome: WriteOutcome): string {
  assert.equal(outcome.type, 'pushed', JSON.stringify(outcome));
  return 'commit' in outcome ? outcome.commit : '';
}

/** Newest first: what each version is and what it runs. */
async function told(writer: ManifestWriter): Promise<string[]> {
  const entries = await writer.history(hello);
  return entries.map(({ kind, sourceCommit }) => `${kind} ${sourceCommit?.[0]}`);
}

async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function heldWriter(t: TestContext) {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer({ limits: { lookForResumedMs: 50 } });
  await writer.deploy(deployIntent({ source: '1' }));
  pushed(await writer.hold(asked('too loud\nTowline-Kind: remove')));
  return { gitops, writer };
}

test('while a function is held deploys wait, and the newest goes live once it is resumed', async (t) => {
  const { gitops, writer } = await heldWriter(t);
  const before = await gitops.remoteHead();
  const manifest = await writer.at({ ...hello, commit: before });
  assert.match(manifest, /towline\.dev\/hold: .*alice since 20\d\d-.*: too loud Towline-Kind: remove/);
  for (const source of ['2', '3']) {
    const outcome = await writer.deploy(deployIntent({ source }));
    assert.match(outcome.type === 'held' ? outcome.reason : '', /^held by alice since 20\d\d-.*: too loud/);
  }
  assert.equal(await gitops.remoteHead(), before, 'nothing is committed meanwhile');
  const older = await writer.deploy(deployIntent({ source: '2', trigger: 'rebuild' }));
  assert.equal(older.type, 'skipped', 'an older build that comes again does not take the newest one’s place');
  pushed(await writer.resume(asked()));
  await until(async () => (await told(writer)).length === 4);
  assert.deepEqual(await told(writer), ['deploy 3', 'resume 1', 'hold 1', 'deploy 1']);
  const [newest, resumed] = await writer.history(hello);
  assert.doesNotMatch(await writer.at({ ...hello, commit: resumed!.commit }), /towline\.dev\/hold/);
  assert.equal(newest?.current, true);
});

test('what waits outlives the process, and a person may resume the function in git itself', async (t) => {
  const { gitops, writer } = await heldWriter(t);
  assert.equal((await writer.deploy(deployIntent({ source: '2' }))).type, 'held');
  await writer[Symbol.asyncDispose]();
  const again = await gitops.writer({ limits: { lookForResumedMs: 50 } });
  assert.equal((await told(again))[0], 'hold 1');
  const person = await gitops.person();
  await person.git('revert', '--no-edit', 'HEAD');
  await person.git('push', '--quiet');
  await until(async () => (await gitops.git(gitops.remote, 'rev-list', '--count', 'main')).trim() === '5');
  assert.deepEqual(await told(again), ['deploy 2', 'revert 1', 'hold 1', 'deploy 1']);
});

test('what became of a held deploy is told when it ends and whenever it is asked, also after a restart', async (t) => {
  const gitops = await gitopsFixture(t);
  const ended: string[] = [];
  const deps = { onHoldEnded: ({ buildId }: { buildId: string }) => void ended.push(buildId) };
  const limits = { limits: { lookForResumedMs: 50 } };
  const writer = await gitops.writer(limits, Date.now, deps);
  const one = pushed(await writer.deploy(deployIntent({ source: '1' })));
  pushed(await writer.hold(asked()));
  const [older, newer] = [deployIntent({ source: '2' }), deployIntent({ source: '3' })];
  const after = (by: ManifestWriter, { buildId }: { buildId: string }) => by.afterHold({ ...hello, buildId });
  await writer.deploy(older);
  assert.equal((await after(writer, older)).type, 'held');
  await writer.deploy(newer);
  assert.deepEqual(ended, [older.buildId], 'the newer one took its place');
  assert.deepEqual(await after(writer, older), {
    type: 'skipped',
    reason: 'the newer 3333333 waits in its place',
  });
  pushed(await writer.resume(asked()));
  await until(async () => ended.length === 2);
  const outcome = await after(writer, newer);
  const [newest] = await writer.history(hello);
  assert.deepEqual(outcome.type === 'pushed' && [outcome.commit, outcome.written[0]?.number], [
    newest?.commit,
    4,
  ]);

  pushed(await writer.hold(asked()));
  const late = deployIntent({ source: '4' });
  await writer.deploy(late);
  pushed(await writer.revert({ ...asked(), toCommit: one }));
  await until(async () => ended.includes(late.buildId));
  const replaced = await after(writer, late);
  assert.match(replaced.type === 'skipped' ? replaced.reason : '', /changed while it was held, by #/);
  await writer[Symbol.asyncDispose]();

  const again = await gitops.writer(limits);
  assert.deepEqual(await after(again, newer), outcome);
  assert.deepEqual(await after(again, late), replaced);
  await again[Symbol.asyncDispose]();
  await rm(join(gitops.folder, 'writer.git.waiting.db'));
  const forgetful = await gitops.writer(limits);
  const known = await after(forgetful, newer);
  assert.deepEqual(
    known.type === 'pushed' && known.commit,
    newest?.commit,
    'the commit is found in git without any record beside it',
  );
  assert.equal((await after(forgetful, { buildId: 'nobody knows' })).type, 'skipped');
});

test('a hold that a person wrote by hand counts too', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  await writer.deploy(deployIntent({ source: '1' }));
  const person = await gitops.person();
  const file = join(person.path, 'tenants/alice/hello.yaml');
  const text = await readFile(file, 'utf8');
  await writeFile(
    file,
    text.replace('  annotations:\n', '  annotations:\n    towline.dev/hold: until Monday # ask me\n'),
  );
  await person.git('commit', '--quiet', '-am', 'Stop');
  await person.git('push', '--quiet');
  const [entry] = await writer.history(hello);
  assert.deepEqual([entry?.kind, entry?.direct], ['hold', true]);
  const outcome = await writer.deploy(deployIntent({ source: '2' }));
  assert.deepEqual(outcome, { type: 'held', reason: 'held: until Monday' });
  assert.equal((await writer.hold(asked())).type, 'unchanged');
});

test('holding twice and resuming what is not held change nothing; what is not there cannot be held', async (t) => {
  const { writer } = await heldWriter(t);
  const before = await told(writer);
  assert.equal((await writer.hold(asked('again'))).type, 'unchanged');
  assert.deepEqual(await told(writer), before);
  pushed(await writer.resume(asked()));
  assert.equal((await writer.resume(asked())).type, 'unchanged');
  for (const functionName of ['nothing', '../bob/x']) {
    const outcome = await writer.hold({ ...asked(), functionName });
    assert.equal(outcome.type === 'refused' && outcome.code, 'not_found');
  }
  const [, , first] = await writer.history(hello);
  const [last] = await writer.history(hello);
  const at = (commit: string) => writer.at({ ...hello, commit });
  assert.equal(await at(last!.commit), await at(first!.commit), 'a hold leaves no trace in the file');
});

test('a rollback that holds keeps pushes from undoing it; what waited before it is not deployed later', async (t) => {
  const { writer } = await heldWriter(t);
  pushed(await writer.resume(asked()));
  const two = pushed(await writer.deploy(deployIntent({ source: '2' })));
  const one = (await writer.history(hello)).at(-1)!.commit;
  pushed(await writer.revert({ ...asked('broken'), toCommit: one, hold: true }));
  const [back] = await writer.history(hello);
  assert.deepEqual([back?.kind, back?.reverts, back?.sourceCommit], ['revert', two, sha('1')]);
  assert.equal((await writer.deploy(deployIntent({ source: '3' }))).type, 'held');
  pushed(await writer.revert({ ...asked('even older'), toCommit: two }));
  assert.match((await told(writer))[0] ?? '', /^revert 2/);
  await until(async () => !(await writer.state()).open);
  const rebuilt = await writer.deploy(deployIntent({ source: '2', trigger: 'rebuild' }));
  assert.equal(rebuilt.type, 'unchanged');
  assert.match((await told(writer))[0] ?? '', /^revert 2/, 'the rollback is the later word');
});

test('undo takes back the newest change, a revert too, and nothing that is older', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const one = pushed(await writer.deploy(deployIntent({ source: '1' })));
  const two = pushed(await writer.deploy(deployIntent({ source: '2' })));
  const back = pushed(await writer.revert({ ...asked('bad'), toCommit: one }));
  const forward = pushed(await writer.undo({ ...asked('not so bad'), commit: back }));
  const at = (commit: string) => writer.at({ ...hello, commit });
  assert.equal(await at(forward), await at(two));
  const [newest, undone] = await writer.history(hello);
  assert.deepEqual([newest?.kind, newest?.restores, newest?.reverts], ['revert', 2, back]);
  assert.equal(undone?.revertedBy, 4);
  assert.equal((await writer.undo({ ...asked(), commit: back })).type, 'conflict');
  const nobody = await writer.undo({ ...asked(), commit: sha('f') });
  assert.equal(nobody.type === 'refused' && nobody.code, 'not_found');
  const other = pushed(await writer.deploy(deployIntent({ functionName: 'other' })));
  const first = await writer.undo({ ...asked(), functionName: 'other', commit: other });
  assert.match(first.type === 'refused' ? first.message : '', /nothing before #1; remove/);
});

test('a rollback is refused if the image is gone, and goes on if nobody knows', async (t) => {
  const gitops = await gitopsFixture(t);
  let answer: () => Promise<boolean> = async () => false;
  const writer = await gitops.writer({}, Date.now, { imageExists: () => answer() });
  const one = pushed(await writer.deploy(deployIntent({ source: '1' })));
  const two = pushed(await writer.deploy(deployIntent({ source: '2' })));
  for (const outcome of [
    await writer.revert({ ...asked(), toCommit: one }),
    await writer.undo({ ...asked(), commit: two }),
  ]) {
    assert.match(outcome.type === 'refused' ? outcome.message : '', /image .*1111111.* is gone/);
  }
  answer = () => Promise.reject(new Error('the registry is away'));
  pushed(await writer.revert({ ...asked(), toCommit: one }));
});

test('a manifest of the past that the cluster would not take today is not restored', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  pushed(await writer.deploy(deployIntent({ source: '1' })));
  const person = await gitops.person();
  const file = join(person.path, 'tenants/alice/hello.yaml');
  await writeFile(file, (await readFile(file, 'utf8')).replace('\nspec:\n', '\nspec:\n  replicas: many\n'));
  await person.git('commit', '--quiet', '-am', 'Oops');
  await person.git('push', '--quiet');
  const [bad] = await writer.history(hello);
  pushed(await writer.deploy(deployIntent({ source: '2' })));
  const outcome = await writer.revert({ ...asked(), toCommit: bad!.commit });
  assert.equal(outcome.type === 'refused' && outcome.code, 'manifest_refused');
});

test('a partial revert by a person is an edit that names what it took back', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  await writer.deploy(deployIntent({ source: '1', environment: { AA: '1' } }));
  const person = await gitops.person();
  const file = join(person.path, 'tenants/alice/hello.yaml');
  const change = async (from: string, to: string, words: string) => {
    await writeFile(file, (await readFile(file, 'utf8')).replace(from, to));
    await person.git('commit', '--quiet', '-am', words);
  };
  await change('apiVersion', '# on top\napiVersion', 'A note');
  await change('memory: 128Mi', 'memory: 256Mi', 'More memory');
  await person.git('revert', '--no-edit', 'HEAD~1');
  await person.git('push', '--quiet');
  const [partial, , note] = await writer.history(hello);
  assert.deepEqual(
    [partial?.kind, partial?.restores, partial?.reverts, note?.revertedBy],
    ['edit', null, note?.commit, 4],
  );
});

/** Whatever was asked of the writer is settled, and a look for what waits has passed. */
async function settled(writer: DurableManifestWriter): Promise<void> {
  await writer.history(hello);
  await new Promise((resolve) => setTimeout(resolve, 150));
  await until(async () => !writer.state().open);
}

test('a rollback to the version before the hold lets nothing go that waited', async (t) => {
  const { writer } = await heldWriter(t);
  const one = (await writer.history(hello)).at(-1)!.commit;
  const late = deployIntent({ source: '2' });
  assert.equal((await writer.deploy(late)).type, 'held');
  pushed(await writer.revert({ ...asked('back to before'), toCommit: one }));
  await until(async () => (await writer.afterHold({ ...hello, buildId: late.buildId })).type === 'skipped');
  await settled(writer);
  assert.deepEqual(await told(writer), ['revert 1', 'hold 1', 'deploy 1']);
});

test('taking the hold back by undo ends what waited; only a resume lets it go', async (t) => {
  const { writer } = await heldWriter(t);
  const [hold] = await writer.history(hello);
  const late = deployIntent({ source: '2' });
  assert.equal((await writer.deploy(late)).type, 'held');
  pushed(await writer.undo({ ...asked(), commit: hold!.commit }));
  await until(async () => (await writer.afterHold({ ...hello, buildId: late.buildId })).type === 'skipped');
  await settled(writer);
  assert.deepEqual(await told(writer), ['revert 1', 'hold 1', 'deploy 1']);
});

test('a rollback that holds on, and an edit by a person, end what waited at once', async (t) => {
  const { gitops, writer } = await heldWriter(t);
  const one = (await writer.history(hello)).at(-1)!.commit;
  const [second, third] = [deployIntent({ source: '2' }), deployIntent({ source: '3' })];
  const why = async ({ buildId }: { buildId: string }) => {
    const outcome = await writer.afterHold({ ...hello, buildId });
    return outcome.type === 'skipped' ? outcome.reason : undefined;
  };
  assert.equal((await writer.deploy(second)).type, 'held');
  pushed(await writer.revert({ ...asked('back, and stay'), toCommit: one, hold: true }));
  await until(async () => (await why(second)) !== undefined);
  assert.match((await why(second)) ?? '', /changed while it was held, by #3/);

  assert.equal((await writer.deploy(third)).type, 'held');
  const person = await gitops.person();
  const file = join(person.path, 'tenants/alice/hello.yaml');
  await writeFile(file, (await readFile(file, 'utf8')).replace('GREETING: hello', 'GREETING: mended'));
  await person.git('commit', '--quiet', '-am', 'Mend it by hand');
  await person.git('push', '--quiet');
  await until(async () => (await why(third)) !== undefined);
  pushed(await writer.resume(asked()));
  await settled(writer);
  const resumed = (await writer.history(hello))[0]!;
  assert.equal(resumed.kind, 'resume');
  assert.match(await writer.at({ ...hello, commit: resumed.commit }), /GREETING: mended/);
});

test('other words for the hold, and a hold over a hold, leave what waits waiting', async (t) => {
  const { gitops, writer } = await heldWriter(t);
  const late = deployIntent({ source: '2' });
  assert.equal((await writer.deploy(late)).type, 'held');
  const person = await gitops.person();
  const file = join(person.path, 'tenants/alice/hello.yaml');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace(/(towline\.dev\/hold:) .*/, '$1 ask Olga'));
  await person.git('commit', '--quiet', '-am', 'Say whom to ask');
  await person.git('push', '--quiet');
  await settled(writer);
  assert.equal((await writer.afterHold({ ...hello, buildId: late.buildId })).type, 'held');
  pushed(await writer.resume(asked()));
  await until(async () => (await told(writer))[0] === 'deploy 2');
});

test('a push that was taken back is not deployed once the function is resumed', async (t) => {
  const { writer } = await heldWriter(t);
  const evil = deployIntent({ source: '6' });
  assert.equal((await writer.deploy(evil)).type, 'held');
  assert.equal((await writer.deploy(deployIntent({ source: '1' }))).type, 'unchanged');
  assert.deepEqual(await writer.afterHold({ ...hello, buildId: evil.buildId }), {
    type: 'skipped',
    reason: 'the newer 1111111 asks for what is live already',
  });
  pushed(await writer.resume(asked()));
  await settled(writer);
  assert.deepEqual(await told(writer), ['resume 1', 'hold 1', 'deploy 1']);
});

test('a re-run of what is live takes no push back that waits', async (t) => {
  const { writer } = await heldWriter(t);
  const late = deployIntent({ source: '2' });
  assert.equal((await writer.deploy(late)).type, 'held');
  assert.equal((await writer.deploy(deployIntent({ source: '1', trigger: 'rebuild' }))).type, 'unchanged');
  assert.equal((await writer.afterHold({ ...hello, buildId: late.buildId })).type, 'held');
});

test('a hold that is no text holds too, and a resume takes it away', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  pushed(await writer.deploy(deployIntent({ source: '1' })));
  const person = await gitops.person();
  const file = join(person.path, 'tenants/alice/hello.yaml');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace('  annotations:\n', '  annotations:\n    towline.dev/hold: true\n'));
  await person.git('commit', '--quiet', '-am', 'Stop');
  await person.git('push', '--quiet');
  assert.deepEqual(await writer.deploy(deployIntent({ source: '2' })), {
    type: 'held',
    reason: 'held: true',
  });
  assert.equal((await writer.hold(asked())).type, 'unchanged');
  pushed(await writer.resume(asked()));
  await until(async () => (await writer.history(hello))[0]?.kind === 'deploy');
  const [newest] = await writer.history(hello);
  assert.equal(newest?.sourceCommit, sha('2'));
});

test('nothing is deployed over a manifest that cannot be read: it might be held', async (t) => {
  const gitops = await gitopsFixture(t);
  const writer = await gitops.writer();
  const one = pushed(await writer.deploy(deployIntent({ source: '1' })));
  const person = await gitops.person();
  const file = join(person.path, 'tenants/alice/hello.yaml');
  await writeFile(file, '<<<<<<< HEAD\ntowline.dev/hold: yes\n');
  await person.git('commit', '--quiet', '-am', 'A merge that went wrong');
  await person.git('push', '--quiet');
  const head = await gitops.remoteHead();
  for (const trigger of ['push', 'rebuild'] as const) {
    const outcome = await writer.deploy(deployIntent({ source: '2', trigger }));
    assert.equal(outcome.type === 'refused' && outcome.code, 'manifest_refused', JSON.stringify(outcome));
    assert.match(
      outcome.type === 'refused' ? outcome.message : '',
      /alice\/hello .*cannot be read.*rollback/,
    );
  }
  assert.equal(await gitops.remoteHead(), head);
  pushed(await writer.revert({ ...asked('mend it'), toCommit: one }));
  pushed(await writer.deploy(deployIntent({ source: '2' })));
});
