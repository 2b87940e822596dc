import { randomUUID, timingSafeEqual } from 'node:crypto';
import type { Identity } from '../../core/access.ts';
import type { Accounts, Owner } from '../../core/auth.ts';
import { TowlineError } from '../../core/errors.ts';
import { whyNotOwner } from '../../core/names.ts';
import type { AccountStore } from './account-store.ts';
import { newTokenText, tokenHash } from './api-token.ts';

const maxTokensPerOwner = 200;

/** The rules over an account store: who may be an owner, and when a token counts. */
export function createAccounts(
  store: AccountStore,
  clock: () => number,
  reserved: readonly string[] = [],
): Accounts & { ownerOfToken(text: string | undefined): Owner | undefined } {
  return {
    owners: async () => store.owners(),
    ownerById: async (id) => store.ownerById(id),
    ownerBySlug: async (slug) => store.ownerBySlug(slug),
    async createOwner({ by: _by, ...request }) {
      const reason = whyNotOwner(request.slug);
      if (reason) throw new TowlineError('name_invalid', reason);
      if (reserved.includes(request.slug)) {
        throw new TowlineError('name_invalid', `"${request.slug}" is the name of an environment here`);
      }
      // A UUID is a valid label value and is never reused, whatever happens to the slug.
      const owner: Owner = { ...request, id: request.id ?? randomUUID() };
      if (!store.addOwner(owner)) {
        throw new TowlineError('name_taken', `there is already an owner "${request.slug}"`);
      }
      return owner;
    },
    async createToken(request) {
      if (!store.ownerById(request.ownerId)) throw new TowlineError('not_found', 'there is no such owner');
      if (store.tokens(request.ownerId).length >= maxTokensPerOwner) {
        throw new TowlineError('conflict', `an owner has at most ${maxTokensPerOwner} tokens`, {
          hint: 'revoke one that is not used any more',
        });
      }
      const text = newTokenText();
      const hash = tokenHash(text);
      if (!hash) throw new Error('a new token does not have the form of a token');
      const record = {
        id: randomUUID(),
        ownerId: request.ownerId,
        name: request.name,
        createdAt: clock(),
        expiresAt: request.ttlMs === null ? null : clock() + request.ttlMs,
      };
      store.addToken(record, hash);
      return { token: text, record };
    },
    tokens: async (ownerId) => store.tokens(ownerId),
    revokeToken: async (ownerId, id) => store.removeToken(ownerId, id),
    ownerOfToken(text) {
      const hash = text === undefined ? undefined : tokenHash(text);
      const found = hash && store.tokenByHash(hash);
      if (!found || !timingSafeEqual(found.hash, hash)) return undefined;
      const { expiresAt, ownerId } = found.token;
      if (expiresAt !== null && expiresAt <= clock()) return undefined;
      return store.ownerById(ownerId);
    },
  };
}

/** What the rest of the platform is told about an owner who has proved who it is. */
export function identityOf(owner: Owner, via: Identity['via']): Identity {
  return {
    ownerId: owner.id,
    owner: owner.slug,
    name: owner.name,
    email: owner.email,
    role: owner.role,
    via,
  };
}
