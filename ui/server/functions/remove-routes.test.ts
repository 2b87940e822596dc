import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createAuth } from '../../../auth/index.ts';
import type { RemovalResult } from '../../../core/api.ts';
import type { Owner } from '../../../core/auth.ts';
import type { PlatformEvent } from '../../../core/events.ts';
import { apiPaths } from '../../../core/paths.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { newOwner, temporaryFolder } from '../testing/accounts.ts';
import { historyEntry, sha, startPlatformApi, type TestServer } from '../testing/platform.ts';

describe('functions that people remove', () => {
  const resources = new AsyncDisposableStack();
  const tokens: Record<string, string> = {};
  const seen: PlatformEvent[] = [];
  let server: TestServer;
  let alex: Owner;

  before(async () => {
    const folder = resources.use(await temporaryFolder()).path;
    const logger = createLogger({ level: 'silent', name: 'test' });
    server = resources.use(
      await startPlatformApi({
        makeAuth: async (publicOrigin) => {
          const places = { databasePath: join(folder, 'auth.db'), keysDir: join(folder, 'keys') };
          const auth = resources.use(await createAuth({ ...places, publicOrigin }, { logger }));
          for (const [slug, role] of [
            ['alex', 'member'],
            ['al', 'member'],
            ['ops', 'operator'],
          ] as const) {
            const owner = await auth.createOwner(newOwner(slug, role));
            if (slug === 'alex') alex = owner;
            tokens[slug] = (await auth.createToken({ ownerId: owner.id, name: 'test', ttlMs: null })).token;
          }
          return auth;
        },
      }),
    );
    server.events.subscribe((event) => seen.push(event));
  });
  after(() => resources.disposeAsync());
  beforeEach(() => {
    const { rooms } = server;
    rooms.history = [historyEntry()];
    rooms.written = [];
    seen.length = 0;
    removed('hello');
  });

  function removed(...names: string[]): void {
    const written = names.map((functionName) => ({ functionName, number: 2 }));
    server.rooms.revertOutcome = { type: 'pushed', commit: sha('9'), written };
  }

  async function ask(who: string, path: string, body?: string): Promise<{ status: number; body: unknown }> {
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const headers = { authorization: `Bearer ${tokens[who]}`, ...type };
    const content = body === undefined ? {} : { body };
    const response = await fetch(server.origin + path, { method: 'DELETE', headers, ...content });
    return { status: response.status, body: await response.json() };
  }

  it('go by their name in one environment, with the reason and the person in the commit', async () => {
    const path = apiPaths.removeFunction('alex', 'hello', { environment: 'staging', reason: 'not needed' });
    const { status, body } = await ask('alex', path);
    assert.equal(status, 200);
    const result: RemovalResult = {
      functionNames: ['hello'],
      commit: sha('9'),
      unchanged: false,
      waiting: null,
    };
    assert.deepEqual(body, result);
    const [{ actor, ...asked } = {}] = server.rooms.written as { actor?: { login?: string } }[];
    assert.deepEqual(asked, {
      verb: 'remove',
      owner: 'alex',
      ownerId: alex.id,
      environment: 'staging',
      scope: 'named',
      repo: 'app',
      functionNames: ['hello'],
      sourceCommit: null,
      reason: 'not needed',
    });
    assert.equal(actor?.login, 'alex');
    const place = { ownerId: alex.id, owner: 'alex', environment: 'staging', functionName: 'hello' };
    assert.deepEqual(seen, [{ type: 'history.changed', ...place, commit: sha('9') }]);
  });

  it('go with their repository or with all others of the owner, and the owner is told of each', async () => {
    removed('hello', 'cart');
    const repository = await ask('alex', apiPaths.removeFunctions('alex', { repo: 'app' }));
    assert.deepEqual((repository.body as RemovalResult).functionNames, ['hello', 'cart']);
    await ask('ops', apiPaths.removeFunctions('alex', { all: true }));
    assert.deepEqual(
      server.rooms.written.map(({ scope, repo, ownerId }) => [scope, repo, ownerId]),
      [
        ['repository', 'app', alex.id],
        ['tenant', '', alex.id],
      ],
    );
    assert.deepEqual(
      seen.map((event) => event.type === 'history.changed' && event.functionName),
      ['hello', 'cart', 'hello', 'cart'],
    );
  });

  it('wait for a yes when they are many', async () => {
    const functionNames = ['cart', 'hello'];
    const waits = { type: 'needs-confirmation', id: 'r1', functionNames, limit: 25 } as const;
    server.rooms.revertOutcome = { ...waits, message: 'confirm it' };
    const { status, body } = await ask('alex', apiPaths.removeFunctions('alex', { all: true }));
    assert.equal(status, 202);
    const waiting = { id: 'r1', limit: 25 };
    assert.deepEqual(body, { functionNames, commit: null, unchanged: false, waiting });
    assert.deepEqual(seen, [{ type: 'removals.changed', ownerId: alex.id, owner: 'alex' }]);
    server.rooms.revertOutcome = { type: 'skipped', reason: 'removal r1 was rejected' };
    const rejected = await ask('alex', apiPaths.removeFunctions('alex', { all: true }));
    assert.equal(rejected.status, 409);
    assert.equal((rejected.body as { detail: string }).detail, 'removal r1 was rejected');
  });

  it('stay for anybody else, who is told what they are told of nothing', async () => {
    const paths = (owner: string) => [
      apiPaths.removeFunction(owner, 'hello'),
      apiPaths.removeFunctions(owner, { repo: 'app' }),
      apiPaths.removeFunctions(owner, { all: true }),
    ];
    const words = ({ status, body }: { status: number; body: unknown }) => [
      status,
      (body as { detail: string }).detail,
    ];
    const nothing = paths('nobody');
    for (const [index, path] of paths('alex').entries()) {
      const theirs = words(await ask('al', path));
      assert.equal(theirs[0], 404, path);
      assert.deepEqual(theirs, words(await ask('al', nothing[index]!)));
      assert.equal((await ask('nobody', path)).status, 401);
    }
    assert.deepEqual([server.rooms.written, seen], [[], []]);
  });

  it('stay if it is not said plainly which', async () => {
    const functions = apiPaths.functions('alex');
    for (const query of [
      '',
      '?all=false',
      '?all=true&repo=app',
      '?repo=',
      '?repo=a&repo=b',
      '?everything=1',
    ]) {
      assert.equal((await ask('alex', functions + query)).status, 400, query);
    }
    const one = apiPaths.removeFunction('alex', 'hello');
    for (const query of [`?reason=${'x'.repeat(501)}`, '?environment=..%2Fx', '?repo=app']) {
      assert.equal((await ask('alex', one + query)).status, 400, query);
    }
    assert.equal((await ask('alex', one, '{"environment":"production"}')).status, 400);
    assert.deepEqual(server.rooms.written, []);
  });

  it('are not found if they never were, and unchanged if they are gone already', async () => {
    server.rooms.revertOutcome = { type: 'unchanged', commit: sha('9'), written: [] };
    assert.equal((await ask('alex', apiPaths.removeFunction('alex', 'never'))).status, 404);
    assert.equal((await ask('alex', apiPaths.removeFunction('alex', 'No_Name'))).status, 404);
    const written = [{ functionName: 'hello', number: 2 }];
    server.rooms.revertOutcome = { type: 'unchanged', commit: sha('9'), written };
    const { status, body } = await ask('alex', apiPaths.removeFunction('alex', 'hello'));
    assert.deepEqual([status, (body as RemovalResult).unchanged], [200, true]);
    assert.deepEqual(seen, []);
  });
});
