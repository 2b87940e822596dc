import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createAuth } from '../../auth/index.ts';
import { createLogger } from '../../runtime/logger.ts';
import { newOwner, temporaryFolder } from '../server/testing/accounts.ts';
import {
  catalogEntry,
  deployRecord,
  historyEntry,
  pendingRemoval,
  sha,
  startPlatformApi,
  type TestServer,
} from '../server/testing/platform.ts';

interface Answer {
  exitCode: number;
  stdout: string;
  stderr: string;
}

const main = join(import.meta.dirname, 'main.ts');

describe('what people change by the command line', () => {
  const resources = new AsyncDisposableStack();
  let server: TestServer;
  let token: string;
  let ownerId: string;

  before(async () => {
    const folder = resources.use(await temporaryFolder()).path;
    const logger = createLogger({ level: 'silent', name: 'test' });
    server = resources.use(
      await startPlatformApi({
        makeAuth: async (publicOrigin) => {
          const places = { databasePath: join(folder, 'auth.db'), keysDir: join(folder, 'keys') };
          const auth = resources.use(await createAuth({ ...places, publicOrigin }, { logger }));
          ownerId = (await auth.createOwner(newOwner('alex'))).id;
          ({ token } = await auth.createToken({ ownerId, name: 'test', ttlMs: null }));
          return auth;
        },
      }),
    );
  });
  after(() => resources.disposeAsync());
  beforeEach(() => {
    const { rooms } = server;
    rooms.entries = [catalogEntry({ ownerId })];
    rooms.history = [historyEntry()];
    rooms.deploys = [];
    rooms.removals = [];
    rooms.written = [];
    rooms.revertOutcome = {
      type: 'pushed',
      commit: sha('9'),
      written: [{ functionName: 'hello', number: 9 }],
    };
  });

  function towline(...args: string[]): Promise<Answer> {
    const env = { PATH: process.env['PATH'] ?? '', TOWLINE_URL: server.origin, TOWLINE_TOKEN: token };
    return new Promise((resolve) => {
      execFile(process.execPath, [main, ...args], { env }, (error, stdout, stderr) => {
        resolve({ exitCode: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  }

  it('holds, and says so when it was held already', async () => {
    const { stdout, exitCode } = await towline('hold', 'hello', '--reason', 'a fair');
    assert.deepEqual([stdout, exitCode], ['hello is held: #9 (gitops 9999999)\n', 0]);
    const [written] = server.rooms.written;
    assert.deepEqual([written?.['verb'], written?.['reason']], ['hold', 'a fair']);
    server.rooms.revertOutcome = { type: 'unchanged', commit: sha('9'), written: [] };
    assert.equal((await towline('hold', 'hello')).stdout, 'hello is held already\n');
  });

  it('tells of a held function who holds it, what waits, and what is wrong with what serves', async () => {
    const hold = { by: 'dana', since: Date.UTC(2026, 10, 22, 9), reason: 'a fair' };
    server.rooms.entries = [catalogEntry({ ownerId, status: 'Degraded', reason: 'it crashed', hold })];
    server.rooms.deploys = [deployRecord({ ownerId, state: 'held', number: null })];
    assert.match((await towline('list')).stdout, /hello +Held \(Degraded\) +#1/);
    const { stdout } = await towline('status', 'hello');
    assert.match(
      stdout,
      /\nheld by dana since 2026-11-22T09:00:00Z: a fair\nwaits: aaaaaaa Fix greeting\nit crashed\n$/,
    );
    const resumed = await towline('resume', 'hello');
    assert.match(resumed.stdout, /^hello is resumed: #9 .*\naaaaaaa Fix greeting waited and goes live\n$/);
    const { released } = JSON.parse((await towline('--json', 'resume', 'hello')).stdout);
    assert.deepEqual(released, { sourceCommit: sha('a'), sourceSubject: 'Fix greeting' });
  });

  it('lists removals with what would go, and answers them', async () => {
    assert.equal((await towline('removals')).stdout, 'no removal waits\n');
    server.rooms.removals = [{ ...pendingRemoval(ownerId), functionNames: ['one', 'two'] }];
    const { stdout } = await towline('removals');
    assert.match(stdout, /r1 +waiting +2 +25 +app +alex +1970-01-01 00:00:00 +gone from stack\.yml/);
    assert.match(stdout, /\nr1: one two\n/);
    assert.equal(JSON.parse((await towline('removals', '--json')).stdout)[0].id, 'r1');
    const confirmed = await towline('removals', 'confirm', 'r1');
    assert.equal(confirmed.stdout, '2 functions are removed (gitops 9999999)\n');
    assert.equal(
      (await towline('removals', 'reject', 'r1')).stdout,
      'removal r1 is rejected: its functions stay\n',
    );
  });

  it('ends with the code of what went wrong, and with JSON if it is asked for', async () => {
    const missing = await towline('--json', 'removals', 'reject', 'nothing');
    assert.equal(missing.exitCode, 5);
    assert.equal(JSON.parse(missing.stdout).error.code, 'not_found');
    for (const usage of [
      ['removals', 'confirm'],
      ['removals', 'perhaps', 'r1'],
      ['hold'],
      ['promote', 'hello'],
    ])
      assert.equal((await towline(...usage)).exitCode, 2, usage.join(' '));
    server.rooms.revertOutcome = { type: 'held', reason: 'held by dana' };
    const held = await towline('promote', 'hello', 'staging');
    assert.deepEqual([held.exitCode, held.stdout], [1, '']);
    assert.match(held.stderr, /held by dana \(resume the function first\)/);
    token = 'wrong';
    assert.equal((await towline('hold', 'hello')).exitCode, 3);
  });
});
