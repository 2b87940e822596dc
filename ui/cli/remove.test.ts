import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createAuth } from '../../auth/index.ts';
import { createLogger } from '../../runtime/logger.ts';
import { newOwner, temporaryFolder } from '../server/testing/accounts.ts';
import { historyEntry, sha, startPlatformApi, type TestServer } from '../server/testing/platform.ts';

const main = join(import.meta.dirname, 'main.ts');

describe('towline remove', () => {
  const resources = new AsyncDisposableStack();
  let server: TestServer;
  let token: string;

  before(async () => {
    const folder = resources.use(await temporaryFolder()).path;
    const logger = createLogger({ level: 'silent', name: 'test' });
    server = resources.use(
      await startPlatformApi({
        makeAuth: async (publicOrigin) => {
          const places = { databasePath: join(folder, 'auth.db'), keysDir: join(folder, 'keys') };
          const auth = resources.use(await createAuth({ ...places, publicOrigin }, { logger }));
          const ownerId = (await auth.createOwner(newOwner('alex'))).id;
          ({ token } = await auth.createToken({ ownerId, name: 'test', ttlMs: null }));
          return auth;
        },
      }),
    );
  });
  after(() => resources.disposeAsync());
  beforeEach(() => {
    server.rooms.history = [historyEntry()];
    server.rooms.written = [];
    answer('hello');
  });

  function answer(...names: string[]): void {
    const written = names.map((functionName) => ({ functionName, number: 2 }));
    server.rooms.revertOutcome = { type: 'pushed', commit: sha('9'), written };
  }

  function towline(...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
    const env = { PATH: process.env['PATH'] ?? '', TOWLINE_URL: server.origin, TOWLINE_TOKEN: token };
    return new Promise((resolve) => {
      execFile(process.execPath, [main, ...args], { env }, (error, stdout, stderr) => {
        resolve({ exitCode: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  }

  it('takes a function of one environment away, and says that stack.yml may bring it back', async () => {
    const done = await towline('remove', 'hello', '-e', 'production', '--reason', 'not needed');
    assert.equal(
      done.stdout,
      'hello is removed from production (gitops 9999999)\n' +
        'what a stack.yml still names comes back with the next push: take it out there too\n',
    );
    const [asked] = server.rooms.written;
    assert.deepEqual(
      [asked?.['environment'], asked?.['functionNames'], asked?.['reason']],
      ['production', ['hello'], 'not needed'],
    );
    server.rooms.revertOutcome = { ...server.rooms.revertOutcome, type: 'unchanged' } as never;
    assert.equal((await towline('remove', 'hello')).stdout, 'hello is removed already\n');
  });

  it('takes all functions of a repository away, or of the owner', async () => {
    answer('cart', 'hello');
    assert.match(
      (await towline('remove', '--repo', 'app')).stdout,
      /^cart hello are removed \(gitops 9999999\)\n/,
    );
    const { functionNames } = JSON.parse((await towline('--json', 'remove', '--all')).stdout);
    assert.deepEqual(functionNames, ['cart', 'hello']);
    assert.deepEqual(
      server.rooms.written.map(({ scope }) => scope),
      ['repository', 'tenant'],
    );
  });

  it('says what would go and how it is confirmed, if they are many', async () => {
    const functionNames = ['cart', 'hello'];
    const waits = { type: 'needs-confirmation', id: 'r1', functionNames, limit: 25, message: '' } as const;
    server.rooms.revertOutcome = waits;
    const { stdout, exitCode } = await towline('remove', '--all');
    assert.equal(exitCode, 0);
    assert.match(stdout, /2 functions would go and 25 may go at once: cart hello\nnothing is removed yet/);
    assert.match(stdout, /towline removals confirm r1/);
  });

  it('ends with the code of what went wrong', async () => {
    for (const usage of [[], ['hello', '--all'], ['--all', '--repo', 'app']]) {
      assert.equal((await towline('remove', ...usage)).exitCode, 2, usage.join(' '));
    }
    assert.deepEqual(server.rooms.written, []);
    server.rooms.revertOutcome = { type: 'unchanged', commit: sha('9'), written: [] };
    assert.equal((await towline('remove', 'never')).exitCode, 5);
  });
});
