import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Me, Problem } from '../../../core/api.ts';
import type { Accounts, Authenticator } from '../../../core/auth.ts';
import type { LogLine } from '../../../core/deploy.ts';
import { apiPaths } from '../../../core/paths.ts';
import {
  catalogEntry,
  historyEntry,
  logLine,
  startPlatformApi,
  type TestServer,
} from '../testing/platform.ts';
import { SseClient } from '../testing/sse-client.ts';

const alex = { id: 'id-alex', slug: 'alex', role: 'member' as const, name: 'alex', email: '' };
const headers = { authorization: 'Bearer alex' };

/** One owner, whose token is its name. */
async function soleOwner(): Promise<Authenticator & Accounts> {
  const refuse = () => Promise.reject(new Error('not needed here'));
  return {
    owners: async () => [alex],
    ownerBySlug: async (slug) => (slug === alex.slug ? alex : undefined),
    ownerById: async (id) => (id === alex.id ? alex : undefined),
    createOwner: refuse,
    createToken: refuse,
    tokens: async () => [],
    revokeToken: async () => false,
    fromCookies: async () => undefined,
    fromToken: async (token) =>
      token === alex.slug
        ? { ownerId: alex.id, owner: alex.slug, name: '', email: '', role: alex.role, via: 'token' }
        : undefined,
  };
}

describe('what functions print', () => {
  let server: TestServer;
  const ask = (path: string) => fetch(server.origin + path, { headers });

  before(async () => {
    server = await startPlatformApi({ makeAuth: soleOwner });
  });
  after(() => server[Symbol.asyncDispose]());
  beforeEach(() => {
    server.rooms.entries = [catalogEntry({ ownerId: alex.id })];
    server.rooms.history = [historyEntry()];
    server.rooms.output = new Map([
      ['alex/hello', ['one', 'two', 'three'].map((text, i) => logLine(i + 1, text))],
    ]);
  });

  it('is given as its newest lines', async () => {
    const lines = (await (await ask(apiPaths.output('alex', 'hello', { lines: 2 }))).json()) as LogLine[];
    assert.deepEqual(
      lines.map(({ text }) => text),
      ['two', 'three'],
    );
  });

  it('is given as text with times, in which nothing moves a cursor', async () => {
    server.rooms.output.set('alex/hello', [logLine(1, 'red \u001b[31mred\u001b[0m\u0007')]);
    const response = await ask(apiPaths.outputText('alex', 'hello'));
    assert.equal(await response.text(), '1970-01-01T00:00:00.001Z red red\n');
    assert.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8');
  });

  it('is streamed, and told anew to whoever comes back', async () => {
    using client = await SseClient.open(server.origin + apiPaths.outputStream('alex', 'hello'), headers);
    await client.until((received) => received.length === 4);
    server.rooms.output.get('alex/hello')?.push(logLine(4, 'four'));
    server.rooms.logChanged();
    const received = await client.until((all) => all.length === 5);
    assert.deepEqual(
      received.map(({ name }) => name),
      ['start', 'line', 'line', 'line', 'line'],
    );
    using again = await SseClient.open(server.origin + apiPaths.outputStream('alex', 'hello'), {
      ...headers,
      'last-event-id': '3',
    });
    const first = await again.until((all) => all.length >= 2);
    assert.deepEqual([first[0]?.name, first[1]?.name], ['start', 'line']);
    assert.equal((first[1]?.data as LogLine | undefined)?.text, 'one');
  });

  it('is nothing of a function that another owner has under the same name', async () => {
    server.rooms.entries = [catalogEntry({ ownerId: 'id-of-the-slug-before' })];
    const response = await ask(apiPaths.output('alex', 'hello'));
    assert.deepEqual([response.status, await response.json()], [200, []]);
  });

  it('is refused for numbers of lines that nobody could want', async () => {
    for (const lines of [0, 10_001]) {
      assert.equal((await ask(apiPaths.output('alex', 'hello', { lines }))).status, 400);
    }
  });

  it('is where else it can be read, if it is not kept here', async () => {
    await using without = await startPlatformApi({ makeAuth: soleOwner, withoutOutput: true });
    without.rooms.entries = server.rooms.entries;
    without.rooms.history = server.rooms.history;
    const me = (await (await fetch(without.origin + apiPaths.me(), { headers })).json()) as Me;
    assert.equal(me.hasOutput, false);
    const response = await fetch(without.origin + apiPaths.output('alex', 'hello'), { headers });
    assert.equal(response.status, 404);
    assert.match(((await response.json()) as Problem).hint ?? '', /kubectl logs/);
  });
});
