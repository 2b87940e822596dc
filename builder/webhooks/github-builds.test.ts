import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PushEvent } from '../../core/source-event.ts';
import { createPlatform, stackFiles } from '../pipeline/platform-in-memory.test.ts';
import { githubExample } from './github-fixture.ts';
import { hmac } from './intake-fixture.ts';

const secret = 'github-secret';

/** A builder that GitHub tells of a real repository, by GitHub's own payloads with its commits. */
async function withGitHub() {
  const github = { baseUrl: 'https://github.com', webhookSecrets: [secret] };
  const platform = await createPlatform({ config: { forges: { github, ignoredPushers: ['*[bot]'] } } });
  const repo = platform.repo('codertocat', 'Hello-World');
  let sent = 0;

  async function post(event: string, payload: object, id?: string): Promise<string> {
    sent += 1;
    const body = JSON.stringify(payload);
    const response = await fetch(platform.url.replace('/git', '/github'), {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'x-github-event': event,
        'x-github-delivery': id ?? `delivery-${sent}`,
        'x-hub-signature-256': `sha256=${hmac(body, secret)}`,
      },
    });
    assert.equal(response.status, 202);
    const answer = (await response.json()) as { id: string };
    await platform.builder().drain();
    return answer.id;
  }

  return {
    ...{ platform, repo, post },
    async push(commit: PushEvent, more: Record<string, unknown> = {}) {
      const payload = githubExample('push');
      const repository = { ...(payload['repository'] as object), default_branch: 'main' };
      const { before, after, ref } = commit;
      const id = await post('push', { ...payload, repository, before, after, ref, ...more });
      return (await platform.builder().push(id))!;
    },
    [Symbol.asyncDispose]: () => platform[Symbol.asyncDispose](),
  };
}

describe("GitHub's events at the builder", () => {
  it('make a function of a push', async () => {
    await using bed = await withGitHub();
    const push = await bed.push(bed.repo.commit(stackFiles({ hello: 'one' })));
    assert.deepEqual(
      push.deploys.map(({ functionName, state }) => [functionName, state]),
      [['hello', 'live']],
    );
    assert.equal(push.owner, 'codertocat');
  });

  it('build a commit again when its check is run again, once for each request', async () => {
    await using bed = await withGitHub();
    const push = await bed.push(bed.repo.commit(stackFiles({ hello: 'one' })));
    const payload = githubExample('check_run', 'rerequested');
    const check = { ...(payload['check_run'] as object), head_sha: push.after, external_id: push.id };
    const repository = githubExample('push')['repository'];
    const rerun = { ...payload, repository, check_run: check };
    await bed.post('check_run', rerun, 'rerun');
    await bed.post('check_run', rerun, 'rerun');
    const pushes = await bed.platform.builder().pushes({ owner: 'codertocat' });
    assert.deepEqual(
      pushes.map(({ id }) => id),
      ['github-rerun', push.id],
    );
    assert.equal(pushes[0]?.after, push.after);
    const unknown = { ...rerun, check_run: { ...check, head_sha: 'e'.repeat(40), external_id: null } };
    await bed.post('check_run', unknown);
    assert.equal((await bed.platform.builder().pushes({ owner: 'codertocat' })).length, 2);
  });

  it('record a bot’s push, another branch and a tag as skipped, with the reason', async () => {
    await using bed = await withGitHub();
    const commit = bed.repo.commit(stackFiles({ hello: 'one' }));
    const sender = { login: 'renovate[bot]', id: 5, type: 'Bot' };
    const notes = [];
    for (const more of [{ sender }, { ref: 'refs/heads/feature/main' }, { ref: 'refs/tags/v1' }]) {
      const push = await bed.push(commit, more);
      assert.deepEqual(push.deploys, []);
      notes.push(push.note);
    }
    assert.deepEqual(notes, [
      'skipped: pushes of renovate[bot] deploy nothing',
      'skipped: only the branch main is deployed, this push was to feature/main',
      'skipped: tags are not deployed (v1)',
    ]);
  });

  it('remove the functions of a repository that is archived, and bring back nothing', async () => {
    await using bed = await withGitHub();
    const commit = bed.repo.commit(stackFiles({ hello: 'one' }));
    await bed.push(commit);
    const repository = githubExample('push')['repository'];
    await bed.post('repository', {
      ...githubExample('repository', 'renamed'),
      action: 'archived',
      repository,
    });
    assert.deepEqual(bed.platform.writer.deployed('codertocat'), []);
  });
});
