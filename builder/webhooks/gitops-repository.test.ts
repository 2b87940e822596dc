import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PushEvent } from '../../core/source-event.ts';
import { githubExample } from './github-fixture.ts';
import { groupHookPush } from './gitlab-fixture.ts';
import { type GitOpsRepository, unlessOfGitOps } from './gitops-repository.ts';
import { hmac, secrets, startIntake } from './intake-fixture.ts';

function gitOpsAt(url: string) {
  const moves: string[] = [];
  const gitOps: GitOpsRepository = { url, moved: (commit) => void moves.push(commit) };
  return { gitOps, moves };
}

const sha = (digit: string) => digit.repeat(40);
const person = { name: 'Alice', email: 'alice@example.org', login: 'alice' };

function ownPush(cloneUrl: string): PushEvent {
  const repository = { id: '1', name: 'functions', owner: 'acme', ownerId: '2', cloneUrl };
  return {
    ...{ id: 'push-1', type: 'push', scm: 'git', actor: person, ref: 'refs/heads/main' },
    ...{
      before: sha('1'),
      after: sha('2'),
      repository: { ...repository, defaultBranch: 'main', private: true },
    },
  };
}

describe('a push to the GitOps repository', () => {
  it('is told and not kept when GitHub sends it, however git reaches the repository', async () => {
    const payload = githubExample('push');
    for (const url of [
      'https://github.com/Codertocat/Hello-World.git',
      'https://github.com/codertocat/hello-world',
      'ssh://git@github.com/Codertocat/Hello-World.git',
      'ssh://git@GitHub.com:22/Codertocat/Hello-World/',
    ]) {
      const { gitOps, moves } = gitOpsAt(url);
      await using intake = await startIntake({ gitOps });
      assert.equal((await intake.github('push', payload)).status, 202);
      assert.deepEqual(moves, [payload['after']], url);
      assert.equal(intake.kept(), 0);
    }
  });

  it('is told when GitLab sends it, without GitLab being asked', async () => {
    const { gitOps, moves } = gitOpsAt('https://gitlab.example.com/acme/web_team/shop.front.git');
    const gitlab = { baseUrl: 'https://gitlab.example.com', webhookSecrets: [secrets.gitlab], topic: 'x' };
    await using intake = await startIntake({ forges: { gitlab }, gitOps });
    assert.equal((await intake.gitlab(groupHookPush())).status, 202);
    assert.deepEqual(moves, [sha('d')]);
    assert.equal(intake.kept(), 0);
  });

  it('is told when Gitea sends it, or a script of the operators', async () => {
    const { gitOps, moves } = gitOpsAt('https://codeberg.example/acme/functions.git');
    await using intake = await startIntake({ gitOps });
    const account = { id: 7, login: 'acme' };
    const repository = {
      id: 5,
      name: 'functions',
      full_name: 'acme/functions',
      private: true,
      owner: account,
    };
    const body = JSON.stringify({
      ...{ ref: 'refs/heads/main', before: sha('1'), after: sha('3'), sender: account },
      repository: { ...repository, default_branch: 'main' },
    });
    const gitea = { 'x-gitea-event': 'push', 'x-gitea-signature': hmac(body, secrets.gitea) };
    assert.equal((await intake.post('git', body, gitea)).status, 202);
    const script = JSON.stringify(ownPush('https://codeberg.example/acme/functions.git'));
    const own = { 'x-towline-signature-256': `sha256=${hmac(script, secrets.git)}` };
    assert.equal((await intake.post('git', script, own)).status, 202);
    assert.deepEqual(moves, [sha('3'), sha('2')]);
    assert.equal(intake.kept(), 0);
  });

  it('is not believed without a signature', async () => {
    const { gitOps, moves } = gitOpsAt('https://github.com/Codertocat/Hello-World');
    await using intake = await startIntake({ gitOps });
    const wrong = { 'x-hub-signature-256': `sha256=${hmac('other', secrets.github)}` };
    assert.equal((await intake.github('push', githubExample('push'), wrong)).status, 401);
    assert.deepEqual(moves, []);
  });

  it('is no other repository’s, whatever its name begins or ends with', async () => {
    for (const url of [
      'https://github.com/Codertocat/Hello-World2',
      'https://github.com/x/Codertocat/Hello-World',
      'https://github.com.example.org/Codertocat/Hello-World',
      'https://gitlab.com/Codertocat/Hello-World',
      '/srv/Codertocat/Hello-World',
    ]) {
      const { gitOps, moves } = gitOpsAt(url);
      await using intake = await startIntake({ gitOps });
      await intake.github('push', githubExample('push'));
      assert.deepEqual(moves, [], url);
      assert.equal(intake.taken.events.length, 1);
    }
  });

  it('is recorded and not built when no webhook told of it', () => {
    const { gitOps } = gitOpsAt('https://git.example.org/acme/functions.git');
    const push = ownPush('https://git.example.org/acme/functions');
    const taken = unlessOfGitOps(push, gitOps);
    assert.match((taken.type === 'push' && taken.skipped) || '', /not built/);
    const other = ownPush('https://git.example.org/acme/other');
    assert.equal(unlessOfGitOps(other, gitOps), other);
    assert.equal(unlessOfGitOps(push, undefined), push);
  });
});
