import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { TowlineError } from '../../core/errors.ts';
import { githubExample } from './github-fixture.ts';
import { projectAnswer, systemHook } from './gitlab-fixture.ts';
import { hmac, refused, secrets, startGitLabApi, startIntake } from './intake-fixture.ts';

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
    const slow = Array.from({ length: 400 }, () => {
      const signature = `sha256=${hmac('', 'guess')}`;
      const sending = request(`${intake.url}github`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'content-length': '24000000',
          'x-hub-signature-256': signature,
        },
      });
      const answered = new Promise<number>((resolve) => {
        sending.on('response', (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        sending.on('error', () => resolve(0));
      });
      sending.write('x'.repeat(250_000));
      return { sending, answered };
    });
    // 400 times 250 kB are more than may be there at once: some are turned away though they are not complete.
    assert.equal(
      await Promise.any(
        slow.map(async ({ answered }) => ((await answered) === 503 ? 503 : Promise.reject())),
      ),
      503,
    );
    assert.equal((await intake.github('push', githubExample('push'))).status, 202);
    for (const { sending } of slow) sending.destroy();
  });

  const unsigned: [string, string, Record<string, string>][] = [
    ['GitHub', 'github', {}],
    ['GitHub, with half a signature', 'github', { 'x-hub-signature-256': 'sha256=0' }],
    ['GitLab', 'gitlab', { 'x-gitlab-token': 'guess' }],
    ['Gitea', 'git', { 'x-gitea-signature': 'guess' }],
  ];
  for (const [title, path, headers] of unsigned) {
    it(`that cannot be signed are refused before a byte of their body comes: ${title}`, async () => {
      const gitlab = { baseUrl: 'https://gitlab.com', webhookSecrets: [secrets.gitlab], topic: undefined };
      const github = { baseUrl: 'https://github.com', webhookSecrets: [secrets.github] };
      const gitea = { baseUrl: 'https://codeberg.example', webhookSecrets: [secrets.gitea] };
      await using intake = await startIntake({ forges: { github, gitlab, gitea } });
      const sending = request(`${intake.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': '24000000', ...headers },
      });
      const answered = once(sending, 'response');
      sending.flushHeaders();
      const [response] = (await answered) as [IncomingMessage];
      sending.on('error', () => {});
      sending.destroy();
      assert.deepEqual([response.statusCode, response.headers.connection], [401, 'close']);
    });
  }

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
