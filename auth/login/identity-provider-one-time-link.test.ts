import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openAuthDatabase } from '../auth-database.ts';
import { describeIdentityProvider } from './identity-provider.contract.ts';
import { createOneTimeLinkProvider } from './identity-provider-one-time-link.ts';
import { createSqliteTicketStore } from './ticket-store-sqlite.ts';

function makeProvider(clock: () => number) {
  const store = createSqliteTicketStore(openAuthDatabase(':memory:'));
  return createOneTimeLinkProvider({ store, ttlMs: 1_000, clock });
}

describeIdentityProvider('the one-time link', async () => {
  const provider = makeProvider(() => 0);
  return {
    provider,
    ownerId: 'owner-1',
    valid: async () => ({
      parameters: new URLSearchParams({ ticket: provider.createTicket('owner-1').ticket }),
      attempt: undefined,
    }),
  };
});

it('a one-time link takes the whole pasted link as well', async () => {
  const provider = makeProvider(() => 0);
  const { ticket } = provider.createTicket('owner-1');

  const outcome = await provider.complete({
    parameters: new URLSearchParams({ ticket: ` http://localhost:8080/login?ticket=${ticket}\n` }),
    attempt: undefined,
    signal: new AbortController().signal,
  });

  assert.deepEqual(outcome, { type: 'identified', ownerId: 'owner-1' });
});

it('a one-time link is refused from the moment it expires, and says so', async () => {
  let now = 0;
  const provider = makeProvider(() => now);
  const { ticket, expiresAt } = provider.createTicket('owner-1');
  now = expiresAt;

  const outcome = await provider.complete({
    parameters: new URLSearchParams({ ticket }),
    attempt: undefined,
    signal: new AbortController().signal,
  });

  assert.equal(outcome.type === 'refused' && outcome.title, 'This link has expired');
});
