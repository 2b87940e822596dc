import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { commitTo } from '../../test/forges/forge-platform.ts';
import { stackFiles } from '../pipeline/platform-in-memory.test.ts';
import { startGitLabPlatform } from './gitlab-platform-fixture.ts';
import { until } from './installations-fixture.ts';

const path = process.env['PATH'] ?? '/usr/bin:/bin';

const destroyed = {
  ...{ event_name: 'project_destroy', project_id: 15, path_with_namespace: 'mallory/x' },
  ...{ project_visibility: 'private', owner_name: 'x', owner_email: 'x' },
};

describe('a project of GitLab', () => {
  it('that is told to be destroyed is asked for by the token that served it, and stays if it is there', async () => {
    await using platform = await startGitLabPlatform({
      path,
      tokens: { 'acme/shop': 'ours', 'mallory/x': 'theirs' },
    });
    await platform.push(stackFiles({ hello: 'one' }));
    platform.gitlab.tokens.length = 0;
    assert.equal(await platform.tell(destroyed), 202);
    assert.deepEqual(platform.functions(), ['hello']);
    assert.deepEqual(new Set(platform.gitlab.tokens), new Set(['ours']));

    platform.gitlab.status = 404;
    await platform.tell(destroyed);
    assert.deepEqual(platform.functions(), []);
  });

  it('that opted out loses its functions at its next push, which is not deployed', async () => {
    await using platform = await startGitLabPlatform({ path, topic: 'towline' });
    await platform.push(stackFiles({ hello: 'one' }));
    assert.deepEqual(platform.functions(), ['hello']);
    platform.gitlab.project.topics = [];
    const commit = await platform.push(stackFiles({ hello: 'two' }));
    assert.deepEqual(platform.functions(), []);
    assert.notEqual(platform.live(), commit);
  });

  it('that opted out is not deployed by a comparison of branch heads either', async () => {
    await using platform = await startGitLabPlatform({ path, topic: 'towline', config: { compareMs: 50 } });
    await platform.push(stackFiles({ hello: 'one' }));
    assert.deepEqual(platform.functions(), ['hello']);
    platform.gitlab.project.topics = [];
    const { after } = commitTo(platform.bare, stackFiles({ hello: 'two' }));
    await until('the functions are removed', () => platform.functions().length === 0);
    await platform.builder.drain();
    const pushes = await platform.builder.pushes({ owner: 'acme' });
    assert.ok(pushes.every((push) => push.after !== after));
  });
});
