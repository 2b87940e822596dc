import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { TowlineError } from '../../core/errors.ts';
import { githubExample } from './github-fixture.ts';
import { groupHookPush, projectAnswer, systemHook } from './gitlab-fixture.ts';
import { hmac, secrets, signingToken, startGitLabApi, startIntake } from './intake-fixture.ts';

type Intake = Awaited<ReturnType<typeof startIntake>>;

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

async function refused(intake: Intake, answer: Promise<Response>, status = 401): Promise<void> {
  const response = await answer;
  assert.equal(response.status, status);
  const text = await response.text();
  assert.ok(!text.includes('shop'), text);
  assert.equal(intake.kept(), 0);
  assert.ok(!intake.logged.join('').includes('shop'));
}

describe("GitHub's webhooks", () => {
  it('are accepted once, under the delivery’s own id', async () => {
    await using intake = await startIntake();
    const first = await intake.github('push', githubExample('push'));
    const id = 'github-72d3162e-cc78-11e3-81ab-4c9367dc0958';
    assert.deepEqual([first.status, await first.json()], [202, { id }]);
    const again = await intake.github('push', githubExample('push'));
    assert.deepEqual([again.status, await again.json()], [202, { id, duplicate: true }]);
    assert.equal(intake.taken.events.length, 1);
  });

  it('are accepted by each secret', async () => {
    await using intake = await startIntake();
    const body = JSON.stringify(githubExample('push'));
    const older = { 'x-hub-signature-256': `sha256=${hmac(body, 'older')}` };
    assert.equal((await intake.github('push', body, older)).status, 202);
  });

  it('of which nothing comes are answered like the others, and nothing is kept', async () => {
    await using intake = await startIntake();
    for (const event of ['ping', 'star', '', 'no such event']) {
      const response = await intake.github(event, { zen: 'Keep it logically awesome.' });
      assert.deepEqual([response.status, await response.json()], [202, { id: null }]);
    }
    assert.equal(intake.kept(), 0);
  });

  const body = JSON.stringify({ shop: 1 });
  const forged: [string, Record<string, string>][] = [
    ['no signature', { 'x-hub-signature-256': '' }],
    ['a signature by another secret', { 'x-hub-signature-256': `sha256=${hmac(body, 'guess')}` }],
    ['a signature of another forge’s', { 'x-hub-signature-256': `sha256=${hmac(body, secrets.gitea)}` }],
    ['a signature of another body', { 'x-hub-signature-256': `sha256=${hmac(`${body} `, secrets.github)}` }],
    ['the old signature only', { 'x-hub-signature-256': '', 'x-hub-signature': `sha1=${'0'.repeat(40)}` }],
    ['a token in place of a signature', { 'x-hub-signature-256': '', 'x-gitlab-token': secrets.github }],
  ];
  for (const [title, headers] of forged) {
    it(`with ${title} are refused; nothing is learned, kept or logged`, async () => {
      await using intake = await startIntake();
      await refused(intake, intake.github('push', body, headers));
    });
  }

  it('with another event or id in the headers only are the same push', async () => {
    await using intake = await startIntake();
    const payload = githubExample('push');
    for (const delivery of ['', 'x'.repeat(500), '../../etc', 'a b', 'é']) {
      const headers = { 'x-github-delivery': encodeURI(delivery) };
      const { status } = await intake.github('push', payload, headers);
      assert.equal(status, 202);
    }
    for (const { id } of intake.taken.events) assert.match(id, /^github-[A-Za-z0-9_.:-]{1,120}$/);
  });

  it('are refused with the place only when they are signed and not valid', async () => {
    await using intake = await startIntake();
    const payload = { ...githubExample('push'), after: 'shop' };
    const response = await intake.github('push', payload);
    assert.equal(response.status, 400);
    const problem = (await response.json()) as { detail: string };
    assert.equal(problem.detail, 'the event is not valid at "after"');
    assert.equal(intake.kept(), 0);
    assert.equal((await intake.github('push', '{"a":')).status, 400);
    assert.equal((await intake.github('push', '')).status, 401);
  });

  it('are let in up to 25 MB, however deep, and not beyond', async () => {
    await using intake = await startIntake();
    const push = JSON.stringify(githubExample('push')).slice(0, -1);
    const padded = `${push},"padding":"${'x'.repeat(24_000_000)}"}`;
    assert.equal((await intake.github('push', padded)).status, 202);
    const deep = `${push},"deep":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    assert.equal((await intake.github('push', deep, { 'x-github-delivery': 'deep' })).status, 202);
    assert.equal(intake.taken.events.length, 2);
    const tooLarge = await intake.github('push', 'x'.repeat(25_000_001)).catch((error: Error) => error);
    // The connection may be cut before all is sent.
    assert.ok(tooLarge instanceof Error || tooLarge.status === 413);
    assert.equal((await intake.github('push', githubExample('push'))).status, 202);
  });

  it('cannot fill the memory together, and small ones get through meanwhile', async () => {
    await using intake = await startIntake();
    const slow = Array.from({ length: 6 }, () => {
      const sending = request(`${intake.url}github`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': '24000000' },
      });
      const answered = new Promise<number>((resolve) => {
        sending.on('response', (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        sending.on('error', () => resolve(0));
      });
      sending.write('x'.repeat(23_900_000));
      return { sending, answered };
    });
    // Six times 24 MB are more than may be there at once: some are turned away though they are not complete.
    assert.equal(
      await Promise.any(
        slow.map(async ({ answered }) => ((await answered) === 503 ? 503 : Promise.reject())),
      ),
      503,
    );
    assert.equal((await intake.github('push', githubExample('push'))).status, 202);
    for (const { sending } of slow) sending.destroy();
  });

  it('are 503, and may come again, while they cannot be kept', async () => {
    let isDown = true;
    await using intake = await startIntake({
      fault() {
        if (isDown) throw new TowlineError('unavailable', 'the database is away');
      },
    });
    assert.equal((await intake.github('push', githubExample('push'))).status, 503);
    isDown = false;
    assert.equal((await intake.github('push', githubExample('push'))).status, 202);
    assert.equal(intake.taken.events.length, 1);
  });

  it('tell of installations and ask for rebuilds', async () => {
    await using intake = await startIntake();
    const created = githubExample('installation', 'created');
    assert.equal((await intake.github('installation', created)).status, 202);
    const rerun = githubExample('check_run', 'rerequested');
    assert.equal((await intake.github('check_run', rerun)).status, 202);
    assert.deepEqual(
      intake.taken.installations.map(({ type }) => type),
      ['installation'],
    );
    assert.equal(intake.taken.rebuilds[0]?.commit, 'd6fde92930d4715a2b49857d24b940956b26d2d3');
  });

  it('have no path if GitHub is not set up', async () => {
    await using intake = await startIntake({ forges: {} });
    await refused(intake, intake.github('push', githubExample('push')), 404);
  });
});

describe('customers at the door', () => {
  async function withCustomers(list: string) {
    const dir = mkdtempSync(join(tmpdir(), 'towline-intake-'));
    const customers = join(dir, 'customers.txt');
    if (list !== '') writeFileSync(customers, list);
    const github = { baseUrl: 'https://github.com', webhookSecrets: [secrets.github] };
    const intake = await startIntake({ forges: { github, customers } });
    return {
      intake,
      async [Symbol.asyncDispose]() {
        await intake[Symbol.asyncDispose]();
        rmSync(dir, { recursive: true });
      },
    };
  }
  const someoneElse = () => {
    const payload = githubExample('push');
    Object.assign(payload['sender'] as object, { login: 'bob', id: 5 });
    return payload;
  };

  it('are let in by their id, after the signature', async () => {
    await using bed = await withCustomers('github:id:21031067');
    await refused(bed.intake, bed.intake.github('push', '{"shop":1}', { 'x-hub-signature-256': 'sha256=0' }));
    assert.equal((await bed.intake.github('push', githubExample('push'))).status, 202);
    assert.equal(bed.intake.taken.events.length, 1);
  });

  it('strangers learn nothing, and nothing of them is kept or logged', async () => {
    await using bed = await withCustomers('alice');
    const response = await bed.intake.github('push', githubExample('push'));
    assert.deepEqual([response.status, await response.json()], [202, { id: null }]);
    await bed.intake.github('installation', githubExample('installation', 'created'));
    await bed.intake.github('installation_repositories', githubExample('installation_repositories', 'added'));
    assert.equal(bed.intake.kept(), 0);
    assert.ok(!bed.intake.logged.join('').includes('Codertocat'));
  });

  it('somebody known who pushes to a place that is not served is told so', async () => {
    await using bed = await withCustomers('bob');
    await bed.intake.github('push', someoneElse());
    const [event] = bed.intake.taken.events;
    assert.equal(event?.type === 'push' && event.skipped, 'Codertocat may not use this installation');
  });

  it('may leave when they are none any more', async () => {
    await using bed = await withCustomers('alice');
    await bed.intake.github('installation', githubExample('installation', 'deleted'));
    assert.equal(bed.intake.taken.installations.length, 1);
  });

  it('of GitLab are let in by the id of their group, and their projects too', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'towline-intake-'));
    try {
      const customers = join(dir, 'customers.txt');
      writeFileSync(customers, 'gitlab:id:77');
      await using api = await startGitLabApi({
        15: projectAnswer(),
        16: projectAnswer({ id: 16, namespace: { id: 78, full_path: 'acme/other', kind: 'group' } }),
      });
      const gitlab = { baseUrl: api.url, webhookSecrets: [secrets.gitlab], topic: undefined };
      await using intake = await startIntake({ forges: { gitlab, customers } });
      await intake.gitlab(systemHook('project_create'), { 'idempotency-key': 'a' });
      await intake.gitlab({ ...systemHook('project_create'), project_id: 16 }, { 'idempotency-key': 'b' });
      await intake.intake.idle();
      assert.deepEqual(
        intake.taken.installations.map(({ id }) => id),
        ['gitlab-a'],
      );
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('nobody is told anything while there has been no list', async () => {
    await using bed = await withCustomers('');
    assert.equal((await bed.intake.github('push', githubExample('push'))).status, 503);
    assert.equal(bed.intake.kept(), 0);
  });
});

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

  it('of a project that is gone reach whoever knows it, without asking', async () => {
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
