import { createHash, randomBytes } from 'node:crypto';
import type { IdentityProvider, LoginOutcome } from './identity-provider.ts';
import type { TicketStore } from './ticket-store.ts';

/** 256 bits, base64url. */
const ticketText = /^[A-Za-z0-9_-]{43}$/;
const newLink = 'Run `npx towline login` to print a new link.';

export interface OneTimeLinkProvider extends IdentityProvider {
  /** `expiresAt`: milliseconds since the epoch. */
  createTicket(ownerId: string): { ticket: string; expiresAt: number };
}

/** Login by a link that works once, for whoever can read the platform's own terminal. */
export function createOneTimeLinkProvider(options: {
  store: TicketStore;
  ttlMs: number;
  clock: () => number;
}): OneTimeLinkProvider {
  const { store, ttlMs, clock } = options;
  return {
    id: 'one-time-link',
    instructions: [
      'Open the link that is printed in the terminal where `npm start` runs. It works once.',
      newLink,
    ],
    begin: undefined,
    createTicket(ownerId) {
      const ticket = randomBytes(32).toString('base64url');
      const expiresAt = clock() + ttlMs;
      store.add({ hash: hashOf(ticket), ownerId, expiresAt }, clock());
      return { ticket, expiresAt };
    },
    async complete({ parameters }) {
      const given = parameters.getAll('ticket');
      if (given.length === 0) return { type: 'not-for-me' };
      const ticket = ticketOf(given[0] ?? '');
      if (given.length > 1 || ticket === undefined) return refusals.unknown;
      const taken = store.take(hashOf(ticket), clock());
      return taken.type === 'taken' ? { type: 'identified', ownerId: taken.ownerId } : refusals[taken.type];
    },
  };
}

const refusals: Record<'used' | 'expired' | 'unknown', LoginOutcome> = {
  used: refusal(410, 'This link was already used', 'A login link works once.'),
  expired: refusal(410, 'This link has expired', 'A login link works for a few minutes only.'),
  unknown: refusal(403, 'This link does not work', 'It may be cut off, or from another installation.'),
};

function refusal(status: 403 | 410, title: string, reason: string): LoginOutcome {
  return { type: 'refused', status, title, detail: `${reason} ${newLink}` };
}

/** People paste the whole link as well as the ticket in it. */
function ticketOf(text: string): string | undefined {
  const trimmed = text.trim();
  const candidate = /[?&]ticket=([A-Za-z0-9_-]+)/.exec(trimmed)?.[1] ?? trimmed;
  return ticketText.test(candidate) ? candidate : undefined;
}

function hashOf(ticket: string): Buffer {
  return createHash('sha256').update(ticket).digest();
}
