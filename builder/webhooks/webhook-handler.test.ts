import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { createPlatform, sign, stackFiles } from '../pipeline/platform-in-memory.test.ts';

type Platform = Awaited<ReturnType<typeof createPlatform>>;

async function withEvent() {
  const platform = await createPlatform({ start: false });
  const event = platform.repo('alice', 'shop').commit(stackFiles({ hello: 'one' }));
  return { platform, event, body: JSON.stringify(event) };
}

async function assertNothingKept(platform: Platform, marker: string): Promise<void> {
  assert.deepEqual(await platform.builder().pushes({ owner: 'alice' }), []);
  assert.ok(!platform.logged.join('').includes(marker));
}

describe('the webhook intake', () => {
  it('answers 202 with the id once the event is on disk', async () => {
    const { platform, event } = await withEvent();
    await using _ = platform;
    assert.deepEqual(await platform.send(event), { status: 202, id: event.id });
    await platform.restart({ abandon: true });
    await platform.builder().drain();
    assert.equal((await platform.builder().push(event.id))?.deploys[0]?.state, 'live');
  });

  it('answers a redelivery with 202 and does nothing', async () => {
    await using platform = await createPlatform();
    const event = platform.repo('alice', 'shop').commit(stackFiles({ hello: 'one' }));
    await platform.deliver(event);
    assert.deepEqual(await platform.send(event), { status: 202, id: event.id, duplicate: true });
    const fresh = await platform.send({ ...event, id: 'fresh-id' });
    assert.deepEqual(fresh, { status: 202, id: event.id, duplicate: true });
    await platform.builder().drain();
    assert.equal(platform.engine.started.length, 1);
  });

  it('takes each of the secrets, so that one can be changed', async () => {
    const { platform, body } = await withEvent();
    await using _ = platform;
    const response = await platform.post(body, { 'x-towline-signature-256': sign(body, 'older-secret') });
    assert.equal(response.status, 202);
  });

  const forged: [string, (body: string) => Record<string, string>][] = [
    ['by another secret', (body) => ({ 'x-towline-signature-256': sign(body, 'guess') })],
    ['of another body', (body) => ({ 'x-towline-signature-256': sign(`${body} `) })],
    ['by no algorithm', (body) => ({ 'x-towline-signature-256': sign(body).slice(7) })],
    ['by sha1', () => ({ 'x-towline-signature-256': `sha1=${'0'.repeat(40)}` })],
    ['in capitals', (body) => ({ 'x-towline-signature-256': sign(body).toUpperCase() })],
    ['twice', (body) => ({ 'x-towline-signature-256': `${sign(body)}, ${sign(body)}` })],
    ['that is empty', () => ({ 'x-towline-signature-256': '' })],
  ];
  for (const [title, headers] of forged) {
    it(`refuses a signature ${title}, keeps and logs nothing`, async () => {
      const { platform, event, body } = await withEvent();
      await using _ = platform;
      const response = await platform.post(body, headers(body));
      assert.equal(response.status, 401);
      await assertNothingKept(platform, event.id);
    });
  }

  it('checks the signature before it looks at the content', async () => {
    const { platform } = await withEvent();
    await using _ = platform;
    const wrong = { 'x-towline-signature-256': sign('x') };
    assert.equal((await platform.post('{not json', wrong)).status, 401);
    assert.equal((await platform.post('{not json')).status, 400);
    assert.equal((await platform.post('')).status, 401);
  });

  it('refuses bytes that are no UTF-8 even if their replacement is signed', async () => {
    const { platform, body } = await withEvent();
    await using _ = platform;
    const bytes = Buffer.from(body.replace('Alice', 'Al\u0001ce'));
    bytes[bytes.indexOf(1)] = 0xff;
    const headers = { 'x-towline-signature-256': sign(bytes.toString('utf8')) };
    assert.equal((await platform.post(bytes, headers)).status, 401);
  });

  it('refuses signed events that are none, with the place only', async () => {
    const { platform, event } = await withEvent();
    await using _ = platform;
    const bad: unknown[] = [
      null,
      [],
      {},
      { ...event, type: 'fork' },
      // Images are announced by the API, which knows who may.
      {
        ...{ ...event, type: 'image', functionName: 'shop', image: `x@sha256:${'0'.repeat(64)}` },
        ...{ subject: '', run: null, configuration: null },
      },
      { ...event, after: 'main' },
      { ...event, repository: { ...event.repository, owner: '../x' } },
      { ...event, repository: { ...event.repository, name: '..' } },
      { ...event, id: '' },
    ];
    for (const each of bad) {
      const response = await platform.post(JSON.stringify(each));
      assert.equal(response.status, 400, JSON.stringify(each));
    }
    await assertNothingKept(platform, event.after);
  });

  it('has one path, one method and one content type', async () => {
    const { platform, body } = await withEvent();
    await using _ = platform;
    const other = await fetch(platform.url.replace('/git', '/github'), { method: 'POST', body });
    assert.equal(other.status, 404);
    const get = await fetch(platform.url);
    assert.deepEqual([get.status, get.headers.get('allow')], [405, 'POST']);
    assert.equal((await platform.post(body, { 'content-type': 'text/plain' })).status, 415);
  });

  it('refuses a body that says it is too large, and one that only turns out so', async () => {
    const { platform } = await withEvent();
    await using _ = platform;
    assert.equal((await platform.post('x'.repeat(1_000_001))).status, 413);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sending = request(platform.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-towline-signature-256': sign('x') },
      });
      sending.on('response', (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sending.on('error', reject);
      for (let part = 0; part < 12; part += 1) sending.write('y'.repeat(100_000));
    });
    assert.equal(status, 413);
    await assertNothingKept(platform, 'yyyy');
  });
});
