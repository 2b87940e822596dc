import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { deployIntent, gitopsFixture } from './gitops-fixture.ts';

describe('a look at the branch', () => {
  it('tells what people pushed from what the writer did, whether or not it was known', async (t) => {
    const gitops = await gitopsFixture(t);
    const writer = await gitops.writer();
    const person = await gitops.person();
    const push = async (name: string) => {
      await person.git('pull', '--quiet', '--rebase');
      await mkdir(join(person.path, 'platform'), { recursive: true });
      await writeFile(join(person.path, 'platform', name), 'a: 1\n');
      await person.git('add', '-A');
      await person.git('commit', '--quiet', '-m', name);
      await person.git('push', '--quiet', 'origin', 'HEAD');
      return (await person.git('rev-parse', 'HEAD')).trim();
    };
    const deployed = await writer.deploy(deployIntent());
    assert.ok(deployed.type === 'pushed');
    assert.equal(await writer.look(deployed.commit), false);
    const theirs = await push('one.yaml');
    assert.equal(await writer.look(theirs), true);
    assert.equal(await writer.commits.contains(theirs, deployed.commit), true);
    const known = await push('two.yaml');
    await writer.current('alice');
    assert.equal(await writer.look(known), true);
    const after = await writer.deploy(deployIntent({ source: '2' }));
    assert.ok(after.type === 'pushed');
    assert.equal(await writer.look(known), false);
  });
});
