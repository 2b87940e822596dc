import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Identity } from '../../../core/access.ts';
import type { Accounts, Authenticator, Owner } from '../../../core/auth.ts';
import type { PlatformEvent } from '../../../core/events.ts';
import { apiPaths } from '../../../core/paths.ts';
import {
  catalogEntry,
  logLine,
  pushRecord,
  sha,
  startPlatformApi,
  type TestServer,
} from '../testing/platform.ts';
import { SseClient } from '../testing/sse-client.ts';
import { createEventRing } from './event-ring.ts';

const owners: Owner[] = (['alex', 'al', 'ops'] as const).map((slug) => ({
  id: createHash('sha256').update(slug).digest('hex').slice(0, 8),
  slug,
  role: slug === 'ops' ? 'operator' : 'member',
  name: slug,
  email: '',
}));
const [alex, al] = owners as [Owner, Owner, Owner];

/** Tokens are owners' slugs; those in `revoked` do not count any more. */
function slugAuth(revoked: Set<string>): Authenticator & Accounts {
  const refuse = async () => {
    throw new Error('not needed here');
  };
  return {
    owners: async () => owners,
    ownerBySlug: async (slug) => owners.find((owner) => owner.slug === slug),
    ownerById: async (id) => owners.find((owner) => owner.id === id),
    createOwner: refuse,
    createToken: refuse,
    tokens: async () => [],
    revokeToken: async () => false,
    fromCookies: async () => undefined,
    async fromToken(token): Promise<Identity | undefined> {
      const owner = owners.find(({ slug }) => slug === token);
      if (!owner || revoked.has(owner.slug)) return undefined;
      return { ownerId: owner.id, owner: owner.slug, name: '', email: '', role: owner.role, via: 'token' };
    },
  };
}

const as = (slug: string, more: Record<string, string> = {}) => ({
  authorization: `Bearer ${slug}`,
  ...more,
});
const functionChanged = (owner: Owner, functionName: string): PlatformEvent => ({
  type: 'function.changed',
  ownerId: owner.id,
  owner: owner.slug,
  change: {
    owner: owner.slug,
    functionName,
    entry: catalogEntry({ owner: owner.slug, ownerId: owner.id, functionName }),
  },
});
const historyChanged = (owner: Owner, functionName: string) => ({
  type: 'history.changed' as const,
  ownerId: owner.id,
  owner: owner.slug,
  functionName,
  commit: sha('1'),
});
const namesIn = (received: readonly { data: unknown }[]) =>
  received.map(({ data }) => (data as { functionName?: string }).functionName);

describe('the event stream', () => {
  const revoked = new Set<string>();
  let server: TestServer;
  const open = (slug: string, headers: Record<string, string> = {}) =>
    SseClient.open(server.origin + apiPaths.events(), as(slug, headers));

  before(async () => {
    server = await startPlatformApi({
      makeAuth: async () => slugAuth(revoked),
      heartbeatMs: 20,
      recheckMs: 20,
    });
  });
  after(() => server[Symbol.asyncDispose]());
  beforeEach(() => revoked.clear());

  it('tells an owner what happens to its own, by name, with growing ids', async () => {
    using client = await open('alex');
    assert.equal(client.headers['content-type'], 'text/event-stream; charset=utf-8');
    assert.equal(client.headers['content-encoding'], undefined);

    server.events.publish(functionChanged(alex, 'one'));
    server.events.publish(historyChanged(alex, 'two'));
    server.events.publish({
      type: 'push.changed',
      ownerId: alex.id,
      owner: 'alex',
      push: pushRecord({ ownerId: alex.id, note: 'line\nbreak\n\nevent: forged' }),
    });

    const received = await client.until((list) => list.length === 3);
    assert.deepEqual(
      received.map(({ name }) => name),
      ['function.changed', 'history.changed', 'push.changed'],
    );
    assert.deepEqual(received[1]?.data, historyChanged(alex, 'two'));
    const ids = received.map(({ id }) => Number(id));
    assert.ok(ids[0]! < ids[1]! && ids[1]! < ids[2]!, String(ids));
  });

  it('tells nobody of another owner’s, not even when the name begins alike; an operator hears all', async () => {
    using forAl = await open('al');
    using forAlex = await open('alex');
    using forOps = await open('ops');
    const before = forOps.received.length;

    server.events.publish(historyChanged(alex, 'secret'));
    server.events.publish({ ...historyChanged(alex, 'lying-slug'), owner: 'al' });
    server.events.publish(historyChanged(al, 'mine'));
    server.events.publish({
      type: 'log.line',
      ownerId: al.id,
      owner: 'al',
      pushId: 'p',
      line: logLine(1, 'x'),
    });
    server.events.publish(historyChanged(al, 'end'));
    server.events.publish(historyChanged(alex, 'end'));

    const last = (list: readonly { data: unknown }[]) => namesIn(list).at(-1) === 'end';
    const seenByAl = namesIn(await forAl.until(last));
    assert.deepEqual(seenByAl, ['mine', 'end']);
    assert.ok(!namesIn(await forAlex.until(last)).includes('mine'));
    assert.equal((await forOps.until((list) => list.length === before + 5)).length, before + 5);
  });

  it('goes on after the last event that a client had, without its seeing any twice', async () => {
    const first = await open('alex');
    server.events.publish(historyChanged(alex, 'before'));
    await first.until((list) => namesIn(list).at(-1) === 'before');
    first[Symbol.dispose]();
    server.events.publish(historyChanged(alex, 'missed'));
    server.events.publish(historyChanged(al, 'not-yours'));

    using second = await open('alex', { 'last-event-id': first.lastId });
    server.events.publish(historyChanged(alex, 'after'));

    assert.deepEqual(namesIn(await second.until((list) => list.length === 2)), ['missed', 'after']);
  });

  it('knows where to go on even for a client that never got an event', async () => {
    const first = await open('al');
    await first.until(() => first.lastId !== '');
    first[Symbol.dispose]();
    server.events.publish(historyChanged(al, 'missed'));

    using second = await open('al', { 'last-event-id': first.lastId });

    assert.deepEqual(namesIn(await second.until((list) => list.length === 1)), ['missed']);
  });

  it('tells a client to load again that was away too long, or comes from another run', async () => {
    for (const id of ['1', '9007199254740991', 'x', '-1', '1e3']) {
      using client = await open('alex', { 'last-event-id': id });
      const received = await client.until((list) => list.length > 0);
      assert.deepEqual(received[0], { id: undefined, name: 'reset', data: {} }, id);
    }
  });

  it('tells a client to load again for which too much has happened to catch up with', async () => {
    const push = pushRecord({ ownerId: alex.id, note: 'x'.repeat(20_000) });
    for (let index = 0; index < 60; index++) {
      server.events.publish({ type: 'push.changed', ownerId: alex.id, owner: 'alex', push });
    }
    using client = await open('alex');
    server.events.publish(historyChanged(alex, 'next'));
    const received = await client.until((list) => list.length === 2);
    assert.deepEqual(
      received.map(({ name }) => name),
      ['reset', 'history.changed'],
    );
    using other = await open('al');
    server.events.publish(historyChanged(al, 'own'));
    const names = (await other.until((list) => namesIn(list).includes('own'))).map(({ name }) => name);
    assert.ok(!names.includes('reset'), 'it is only asked to for what it would see');
  });

  it('gives signs of life, and ends when the credentials do not hold any more', async () => {
    using client = await open('alex');
    await client.until(() => client.comments > 1);

    revoked.add('alex');

    await client.ended;
    assert.equal((await open('alex')).status, 401);
  });

  it('tells everybody to load again when events were missed, also those who come back later', async () => {
    const away = await open('alex');
    server.events.publish(historyChanged(alex, 'seen'));
    await away.until((list) => namesIn(list).at(-1) === 'seen');
    away[Symbol.dispose]();
    using client = await open('alex');

    server.events.publish({ type: 'events.missed' });

    assert.equal((await client.until((list) => list.at(-1)?.name === 'reset')).at(-1)?.name, 'reset');
    using back = await open('alex', { 'last-event-id': away.lastId });
    assert.deepEqual(
      (await back.until((list) => list.length === 1)).map(({ name }) => name),
      ['reset'],
    );
    server.events.publish(historyChanged(alex, 'next'));
    assert.deepEqual(namesIn(await back.until((list) => list.length === 2)).at(-1), 'next');
  });

  it('drops a client that does not read, instead of keeping everything for it', async () => {
    const { port, hostname } = new URL(server.origin);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write(`GET ${apiPaths.events()} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alex\r\n\r\n`);
    await new Promise((resolve) => socket.once('readable', resolve));
    socket.pause();
    const note = 'x'.repeat(500_000);
    const closed = new Promise((resolve) => socket.once('close', resolve));

    for (let sent = 0; sent < 100; sent++) {
      const push = pushRecord({ ownerId: alex.id, note });
      server.events.publish({ type: 'push.changed', ownerId: alex.id, owner: 'alex', push });
      await new Promise(setImmediate);
    }
    socket.resume();

    await closed;
    assert.ok(socket.bytesRead < 40_000_000, String(socket.bytesRead));
  });
});

describe('the stream of a log', () => {
  const revoked = new Set<string>();
  let server: TestServer;
  const open = (slug: string, headers: Record<string, string> = {}) =>
    SseClient.open(server.origin + apiPaths.logStream('push-1'), as(slug, headers));

  before(async () => {
    server = await startPlatformApi({ makeAuth: async () => slugAuth(revoked), recheckMs: 20 });
  });
  after(() => server[Symbol.asyncDispose]());
  beforeEach(() => {
    revoked.clear();
    server.rooms.pushes = [pushRecord({ ownerId: alex.id, state: 'running' })];
    server.rooms.lines.set('push-1', [logLine(1, 'one'), logLine(2, 'two')]);
  });

  it('gives every line as it comes and says when it was the last', async () => {
    using client = await open('alex');
    await client.until((list) => list.length === 2);

    server.rooms.lines.get('push-1')?.push(logLine(3, 'three\nlines\n\nof text'));
    server.rooms.logChanged();
    await client.until((list) => list.length === 3);
    server.rooms.pushes[0]!.state = 'done';
    server.rooms.logChanged();
    await client.ended;

    assert.deepEqual(
      client.received.map(({ id, name }) => [id, name]),
      [
        ['1', 'line'],
        ['2', 'line'],
        ['3', 'line'],
        [undefined, 'end'],
      ],
    );
    assert.deepEqual(client.received[2]?.data, logLine(3, 'three\nlines\n\nof text'));
  });

  it('goes on after the last line that a client had', async () => {
    server.rooms.pushes[0]!.state = 'done';

    using client = await open('alex', { 'last-event-id': '1' });
    await client.ended;

    assert.deepEqual(
      client.received.map(({ id }) => id),
      ['2', undefined],
    );
  });

  it('is not there for another owner and ends for one who is logged out', async () => {
    assert.equal((await open('al')).status, 404);
    using client = await open('alex');
    await client.until((list) => list.length === 2);

    revoked.add('alex');

    await client.ended;
    assert.ok(client.received.every(({ name }) => name === 'line'));
  });

  it('carries a hundred thousand lines to a reader that takes its time', async () => {
    const lines = Array.from({ length: 100_000 }, (_, index) => logLine(index + 1, `line ${index + 1}`));
    server.rooms.lines.set('push-1', lines);
    server.rooms.pushes[0]!.state = 'done';

    using client = await open('alex');
    await client.until((list) => list.at(-1)?.name === 'end');

    assert.equal(client.received.length, 100_001);
    assert.equal(client.received.at(-2)?.id, '100000');
  });

  it('ends with the platform', async () => {
    const own = await startPlatformApi({ makeAuth: async () => slugAuth(revoked) });
    own.rooms.pushes = [pushRecord({ ownerId: alex.id, state: 'running' })];
    using log = await SseClient.open(own.origin + apiPaths.logStream('push-1'), as('alex'));
    using events = await SseClient.open(own.origin + apiPaths.events(), as('alex'));

    await own.api[Symbol.asyncDispose]();

    await Promise.all([log.ended, events.ended]);
    await own[Symbol.asyncDispose]();
  });
});

describe('the ring of events', () => {
  const options = { maxEvents: 3, maxCharacters: 100, clock: () => 5 };

  it('keeps the newest by number and by size', () => {
    const ring = createEventRing(options);
    const start = ring.lastId;
    for (let count = 0; count < 5; count++) ring.add('a', String);

    assert.deepEqual(ring.after(start + 1), { type: 'lost' });
    const missed = ring.after(start + 3);
    assert.deepEqual(missed.type === 'events' && missed.events.map(({ id }) => id - start), [4, 5]);
    assert.deepEqual(ring.after(ring.lastId), { type: 'events', events: [] });
    assert.deepEqual(ring.after(ring.lastId + 1), { type: 'lost' });

    ring.add('a', () => 'x'.repeat(100));
    assert.equal(ring.recent(0).length, 1);
  });

  it('never gives an id of an earlier run again', () => {
    const earlier = createEventRing({ ...options, clock: () => 1_000 });
    for (let count = 0; count < 900; count++) earlier.add('a', String);

    assert.ok(createEventRing({ ...options, clock: () => 1_001 }).lastId > earlier.lastId);
  });
});
