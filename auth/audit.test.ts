import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { startAuditReceiver } from '../runtime/audit/audit-receiver-fixture.ts';
import { openAuditTrail } from '../runtime/audit/audit-trail.ts';
import { createLogger } from '../runtime/logger.ts';
import { createAuth } from './index.ts';

async function scene() {
  const dir = mkdtempSync(join(tmpdir(), 'towline-auth-audit-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(dir, { recursive: true }));
  const receiver = stack.use(await startAuditReceiver());
  const logger = createLogger({ level: 'silent', name: 't' });
  const webhook = { url: receiver.url, secret: 's' };
  const trail = stack.use(openAuditTrail({ path: join(dir, 'audit.db'), webhook }, { logger }));
  const auth = stack.use(
    await createAuth(
      {
        databasePath: join(dir, 'auth.db'),
        keysDir: join(dir, 'keys'),
        publicOrigin: 'http://localhost:8080',
        ciIssuers: ['github=https://token.actions.githubusercontent.com'],
      },
      { logger, audit: trail },
    ),
  );
  const server = createServer((req, res) => auth.handle(req, res)).listen(0, '127.0.0.1');
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const resources = stack.move();
  return {
    auth,
    get: (path: string) => fetch(`${url}${path}`, { redirect: 'manual' }),
    post: (path: string, headers: Record<string, string>) =>
      fetch(`${url}${path}`, { method: 'POST', headers }),
    async told() {
      await trail.settled();
      return receiver.events('s');
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

const bob = { name: 'Bob', email: 'bob@example.org', login: 'bob' };

it('the audit tells who made owners, tokens and bindings, who took them away, and who logged in and out', async () => {
  await using at = await scene();
  const { auth } = at;
  const person = { slug: 'alice', name: 'Alice', email: 'alice@example.org', role: 'member' } as const;
  const alice = await auth.createOwner(person);
  assert.deepEqual(Object.keys(alice).sort(), ['email', 'id', 'name', 'role', 'slug']);
  const { record, token } = await auth.createToken({ ownerId: alice.id, name: 'ci', ttlMs: null, by: bob });
  assert.equal(await auth.revokeToken('somebody-else', record.id, bob), false);
  assert.equal(await auth.revokeToken(alice.id, record.id, bob), true);
  const [{ issuer } = { issuer: '' }] = await auth.workloads.issuers();
  const conditions = { ref: null, environment: null, workflow: null };
  const of = { ownerId: alice.id, issuer, repositoryId: '7', repository: 'acme/shop' };
  const binding = await auth.workloads.addBinding({ ...of, ...conditions }, bob);
  await auth.workloads.removeBinding(alice.id, binding.id, bob);
  const { ticket } = await auth.createLoginTicket(alice.id);
  const login = await at.get(`/login?ticket=${ticket}`);
  const cookie = login.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  await at.post('/logout', { cookie, origin: 'http://localhost:8080' });

  const told = await at.told();
  assert.deepEqual(
    told.map(({ action, result, actor, owner, target }) => [action, result, actor, owner, target]),
    [
      ['create-owner', 'done', 'operator', 'alice', 'alice (member)'],
      ['create-token', 'done', 'bob', 'alice', 'ci'],
      ['revoke-token', 'done', 'bob', 'alice', 'ci'],
      ['bind-ci', 'done', 'bob', 'alice', 'acme/shop'],
      ['unbind-ci', 'done', 'bob', 'alice', 'acme/shop'],
      ['login-link', 'done', 'operator', 'alice', null],
      ['login', 'done', 'alice', 'alice', null],
      ['logout', 'done', 'alice', 'alice', null],
    ],
  );
  const text = JSON.stringify(told);
  for (const secret of [token, ticket, cookie.split('=')[1] ?? '']) assert.ok(!text.includes(secret));
});

it('the audit tells of failed logins by their number, without what was tried', async () => {
  await using at = await scene();
  const wrong = 'x'.repeat(43);
  for (let tries = 0; tries < 5; tries += 1) await at.get(`/login?ticket=${wrong}`);
  await at.auth.fromToken('not of the form of a token');
  const [first, ...others] = await at.told();
  assert.deepEqual(
    [first?.action, first?.result, first?.actor, others],
    ['login', 'refused', 'somebody', []],
  );
  assert.ok(!JSON.stringify(first).includes(wrong));
});
