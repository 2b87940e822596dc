import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deployIntent, gitopsFixture, sha } from '../gitops-fixture.ts';

const hello = { owner: 'alice', functionName: 'hello' };

describe("what a reconciler asks of the branch's commits", () => {
  it('tells which contains which, also of what somebody else pushed', async (t) => {
    const fixture = await gitopsFixture(t);
    const writer = await fixture.writer();
    const outcome = await writer.deploy(deployIntent());
    assert.ok(outcome.type === 'pushed');
    const person = await fixture.person();
    await person.git('commit', '--quiet', '--allow-empty', '-m', 'mine');
    await person.git('push', '--quiet', 'origin', 'HEAD');
    const theirs = (await person.git('rev-parse', 'HEAD')).trim();
    assert.equal(await writer.commits.contains(theirs, outcome.commit), true);
    assert.equal(await writer.commits.contains(outcome.commit, theirs), false);
    assert.equal(await writer.commits.contains(theirs, sha('c')), false);
    assert.equal(await writer.commits.contains(sha('c'), theirs), false);
    assert.equal(await writer.commits.contains('--all', theirs), false);
  });

  it('tells the image that a commit asks for', async (t) => {
    const fixture = await gitopsFixture(t);
    const writer = await fixture.writer();
    const head = await fixture.remoteHead();
    const outcome = await writer.deploy(deployIntent({ source: '7' }));
    assert.ok(outcome.type === 'pushed');
    assert.equal(await writer.commits.wantedDigest(outcome.commit, hello), `sha256:${'7'.repeat(64)}`);
    assert.equal(await writer.commits.wantedDigest(head, hello), null);
    assert.equal(await writer.commits.wantedDigest(sha('c'), hello), undefined);
    assert.equal(await writer.commits.wantedDigest(head, { owner: '..', functionName: 'x' }), undefined);
  });
});
