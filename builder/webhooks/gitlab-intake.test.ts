import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { groupHookPush, projectAnswer, systemHook } from './gitlab-fixture.ts';
import { hmac, refused, secrets, signingToken, startGitLabApi, startIntake } from './intake-fixture.ts';

async function withGitLab(projects: Record<string, object> = { 15: projectAnswer() }, now = Date.now) {
  const api = await startGitLabApi(projects);
  const gitlab = {
    baseUrl: api.url,
    webhookSecrets: ['older-token', secrets.gitlab, signingToken],
    topic: 'towline',
  };
  const intake = await startIntake({ forges: { gitlab }, now });
  const push = groupHookPush();
  push.project.git_http_url = `${api.url}/acme/web_team/shop.front.git`;
  return {
    ...{ api, intake, push },
    async [Symbol.asyncDispose]() {
      await intake[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

describe("GitLab's webhooks", () => {
  it('are kept, then GitLab is asked, with the token of that group alone', async () => {
    await using bed = await withGitLab();
    assert.equal((await bed.intake.gitlab(bed.push)).status, 202);
    await bed.intake.intake.idle();
    const [event] = bed.intake.taken.events;
    assert.equal(event?.repository.ownerId, '77');
    assert.deepEqual(bed.api.state.asked, [{ path: '/api/v4/projects/15', token: 'acme-token' }]);
    assert.equal(bed.intake.kept(), 1);
  });

  it('that cannot be read are passed over: an error would have GitLab take the hook out of use for everybody', async () => {
    await using bed = await withGitLab();
    const { project, ...rest } = bed.push;
    for (const odd of [
      rest,
      { ...bed.push, ref: `refs/heads/${'b'.repeat(400)}` },
      { ...bed.push, after: 7 },
    ]) {
      assert.equal((await bed.intake.gitlab(odd)).status, 202, JSON.stringify(Object.keys(odd)));
    }
    assert.ok(project);
    await bed.intake.intake.idle();
    assert.deepEqual(bed.intake.taken.events, []);
    assert.match(bed.intake.logged.join(''), /not valid at/);
  });

  it('wait while GitLab is away, in order, and nothing is lost', async () => {
    await using bed = await withGitLab();
    bed.api.state.status = 503;
    for (const key of ['1', '2', '3']) {
      const push = { ...bed.push, after: key.repeat(40) };
      assert.equal((await bed.intake.gitlab(push, { 'idempotency-key': key })).status, 202);
    }
    while (bed.api.state.asked.length < 5) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(bed.intake.taken.events.length, 0);
    bed.api.state.status = 200;
    await bed.intake.intake.idle();
    assert.deepEqual(
      bed.intake.taken.events.map(({ id }) => id),
      ['gitlab-1', 'gitlab-2', 'gitlab-3'],
    );
  });

  it('of a GitLab that names no delivery are told apart by what they say, and a redelivery is known', async () => {
    await using bed = await withGitLab();
    const uuid = (value: string) => ({ 'idempotency-key': '', 'x-gitlab-event-uuid': value });
    const next = { ...bed.push, before: bed.push.after, after: 'c'.repeat(40) };
    // What a webhook sets off in turn has the UUID of the event that it was told of.
    for (const push of [bed.push, next, next]) {
      assert.equal((await bed.intake.gitlab(push, uuid('same'))).status, 202);
      await bed.intake.intake.idle();
    }
    assert.equal((await bed.intake.gitlab(bed.push, uuid('forced back'))).status, 202);
    await bed.intake.intake.idle();
    const afters = bed.intake.taken.events.map((event) => event.type === 'push' && event.after);
    assert.deepEqual(afters, [bed.push.after, next.after, bed.push.after]);
    for (const { id } of bed.intake.taken.events) assert.match(id, /^gitlab-[0-9a-f]{64}$/);
  });

  it('of one project wait alone', async () => {
    await using bed = await withGitLab({ 15: { broken: true }, 16: projectAnswer({ id: 16 }) });
    await bed.intake.gitlab(bed.push, { 'idempotency-key': 'a' });
    const other = { ...bed.push, project_id: 16, project: { ...bed.push.project, id: 16 } };
    await bed.intake.gitlab(other, { 'idempotency-key': 'b' });
    while (bed.intake.taken.events.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(bed.intake.taken.events[0]?.id, 'gitlab-b');
    bed.api.state.projects['15'] = projectAnswer();
    await bed.intake.intake.idle();
    assert.equal(bed.intake.taken.events.length, 2);
  });

  it('never carry the token to where an answer points', async () => {
    await using elsewhere = await startGitLabApi({ 15: projectAnswer() });
    await using bed = await withGitLab();
    bed.api.state.status = 302;
    bed.api.state.location = `${elsewhere.url}/api/v4/projects/15`;
    await bed.intake.gitlab(bed.push);
    while (bed.api.state.asked.length < 3) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(elsewhere.state.asked, []);
  });

  it('are accepted with each token, and by a signature of the documented form', async () => {
    const now = Date.parse('2026-05-01T12:00:00Z');
    await using bed = await withGitLab(undefined, () => now);
    const body = JSON.stringify(bed.push);
    const status = async (headers: Record<string, string>) => (await bed.intake.gitlab(body, headers)).status;
    assert.equal(await status({ 'x-gitlab-token': 'older-token' }), 202);
    const key = Buffer.from('gitlab-signing-key');
    const signed = (id: string, timestamp: number, text = body) => ({
      'x-gitlab-token': '',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${text}`).digest('base64')}`,
    });
    const seconds = now / 1000;
    assert.equal(await status(signed('a', seconds)), 202);
    const rotated = signed('b', seconds);
    const both = { ...rotated, 'webhook-signature': `v1,AAAA ${rotated['webhook-signature']}` };
    assert.equal(await status(both), 202);
    assert.equal(await status(signed('c', seconds - 301)), 401);
    assert.equal(await status(signed('c', seconds + 301)), 401);
    assert.equal(await status(signed('c', seconds, '{}')), 401);
    assert.equal(await status({ ...signed('c', seconds), 'webhook-id': 'd' }), 401);
    assert.equal(await status({ ...signed('c', seconds), 'webhook-timestamp': 'now' }), 401);
    const wrong = {
      ...signed('c', seconds),
      'webhook-signature': 'v1,AAAA',
      'x-gitlab-token': secrets.gitlab,
    };
    assert.equal(await status(wrong), 401);
  });

  for (const token of [
    '',
    'guess',
    `${secrets.gitlab} `,
    secrets.gitlab.toUpperCase(),
    'undefined',
    signingToken,
  ]) {
    it(`with the token ${JSON.stringify(token)} are refused; nothing is learned, kept or logged`, async () => {
      await using bed = await withGitLab();
      // A header's own blanks are cut off on the way: this one is inside.
      const given = token.replace(/ $/, ' x');
      await refused(bed.intake, bed.intake.gitlab('{"shop":1}', { 'x-gitlab-token': given }));
    });
  }

  it('are refused if no secret is configured', async () => {
    const gitlab = { baseUrl: 'http://127.0.0.1:1', webhookSecrets: ['', 'whsec_='], topic: undefined };
    const now = Date.parse('2026-05-01T12:00:00Z');
    await using intake = await startIntake({ forges: { gitlab }, now: () => now });
    await refused(intake, intake.gitlab('{"shop":1}', { 'x-gitlab-token': '' }));
    const timestamp = String(now / 1000);
    const digest = createHmac('sha256', '').update(`a.${timestamp}.{"shop":1}`).digest('base64');
    const headers = {
      'webhook-id': 'a',
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${digest}`,
    };
    await refused(intake, intake.gitlab('{"shop":1}', headers));
  });

  it('of a project that is gone reach whoever asks by the token that served it', async () => {
    await using bed = await withGitLab({});
    await bed.intake.gitlab(systemHook('project_destroy'));
    assert.deepEqual(bed.api.state.asked, []);
    const [event] = bed.intake.taken.installations;
    assert.ok(event?.type === 'repositories' && event.change === 'removed');
    assert.deepEqual(event.repositories, [{ id: '15', path: 'acme/web_team/shop.front', private: true }]);
  });

  it('that were kept are taken up by the next run', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'towline-intake-'));
    try {
      await using api = await startGitLabApi({ 15: projectAnswer() });
      const gitlab = { baseUrl: api.url, webhookSecrets: [secrets.gitlab], topic: undefined };
      const options = { forges: { gitlab }, databasePath: join(dir, 'a.db') };
      const push = groupHookPush();
      push.project.git_http_url = `${api.url}/x.git`;
      api.state.status = 500;
      {
        await using first = await startIntake(options);
        assert.equal((await first.gitlab(push)).status, 202);
      }
      api.state.status = 200;
      await using second = await startIntake(options);
      await second.intake.idle();
      assert.equal(second.taken.events.length, 1);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe("Gitea's and Forgejo's webhooks", () => {
  const account = { id: 1, login: 'gitea', full_name: '', email: 'gitea@codeberg.example' };
  const payload = {
    ref: 'refs/heads/develop',
    before: '28e1879d029cb852e4844d9c718537df08844e03',
    after: 'bffeb74224043ba2feb48d137756c8a9331c449a',
    repository: {
      id: 140,
      owner: account,
      name: 'webhooks',
      full_name: 'gitea/webhooks',
      private: false,
      default_branch: 'develop',
      clone_url: 'https://codeberg.example/gitea/webhooks.git',
    },
    pusher: account,
    sender: account,
  };
  const body = JSON.stringify(payload);
  const named = (forge: string) => ({ [`x-${forge}-event`]: 'push', [`x-${forge}-delivery`]: 'd-1' });

  for (const [title, headers] of [
    ['Gitea’s signature', { ...named('gitea'), 'x-gitea-signature': hmac(body, secrets.gitea) }],
    ['Forgejo’s signature', { ...named('forgejo'), 'x-forgejo-signature': hmac(body, secrets.gitea) }],
    ['GitHub’s form', { ...named('github'), 'x-hub-signature-256': `sha256=${hmac(body, secrets.gitea)}` }],
  ] as const) {
    it(`are accepted with ${title}`, async () => {
      await using intake = await startIntake();
      assert.equal((await intake.post('git', body, headers)).status, 202);
      const [event] = intake.taken.events;
      assert.equal(event?.id, 'git-d-1');
      assert.deepEqual(event?.repository, {
        id: 'gitea-140',
        name: 'webhooks',
        owner: 'gitea',
        ownerId: 'gitea-1',
        cloneUrl: 'https://codeberg.example/gitea/webhooks.git',
        defaultBranch: 'develop',
        private: false,
        path: 'gitea/webhooks',
      });
    });
  }

  it('cannot speak for the built-in host: its secret is another', async () => {
    await using intake = await startIntake();
    const event = { type: 'push', id: 'shop' };
    const forged = JSON.stringify(event);
    const headers = { 'x-towline-signature-256': `sha256=${hmac(forged, secrets.gitea)}` };
    await refused(intake, intake.post('git', forged, headers));
    const asGitea = { ...named('gitea'), 'x-gitea-signature': hmac(body, secrets.git) };
    await refused(intake, intake.post('git', body, asGitea));
    // A good signature of Gitea's doesn't help a bad one of ours.
    const both = { 'x-gitea-signature': hmac(forged, secrets.gitea), 'x-towline-signature-256': 'sha256=0' };
    await refused(intake, intake.post('git', forged, both));
  });

  it('are recorded and answered with the reason where the owner or the repository can have no name here', async () => {
    const places = [
      ['admin', 'shop', 'unserved--git-gitea-1', 'shop', /"admin" is reserved/],
      ['a'.repeat(40), 'shop', 'unserved--git-gitea-1', 'shop', /at most 39 characters/],
      ['gitea', '.profile', 'gitea', 'unserved--gitea-140', /its name cannot be served/],
    ] as const;
    for (const [login, name, owner, recordedName, why] of places) {
      await using intake = await startIntake();
      const repository = {
        ...payload.repository,
        ...{ name, owner: { ...account, login }, full_name: `${login}/${name}` },
        clone_url: `https://codeberg.example/${login}/${name}.git`,
      };
      const refused = JSON.stringify({ ...payload, repository });
      const headers = { ...named('gitea'), 'x-gitea-signature': hmac(refused, secrets.gitea) };
      const answer = (await (await intake.post('git', refused, headers)).json()) as { skipped?: string };
      assert.match(answer.skipped ?? '', why);
      const [event] = intake.taken.events;
      assert.ok(event?.type === 'push');
      assert.deepEqual([event.repository.owner, event.repository.name], [owner, recordedName]);
      assert.match(event.skipped ?? '', why);
    }
  });

  it('of another host are refused', async () => {
    await using intake = await startIntake();
    const other = JSON.stringify({
      ...payload,
      repository: { ...payload.repository, clone_url: 'https://evil.example/x.git' },
    });
    const headers = { ...named('gitea'), 'x-gitea-signature': hmac(other, secrets.gitea) };
    assert.equal((await intake.post('git', other, headers)).status, 400);
  });
});
