import type { Accounts, Authenticator, Workloads } from '../../core/auth.ts';
import { authContract } from '../../core/calls/auth-calls.ts';
import type { Person } from '../../core/source-event.ts';
import { type CallClientOptions, createCallClient } from './call-client.ts';

/** The auth service of another process. Throws `unavailable` if it cannot be asked: nobody is let in on doubt. */
export interface HttpAuth extends Authenticator, Accounts, AsyncDisposable {
  workloads: Workloads;
  /** For `<publicOrigin>/login?ticket=…`. Throws `not_found`. */
  createLoginTicket(ownerId: string, by?: Person): Promise<{ ticket: string; expiresAt: number }>;
}

export function createHttpAuth(options: CallClientOptions): HttpAuth {
  const client = createCallClient(authContract, options);
  return {
    fromCookies: async (header) => (header === undefined ? undefined : client.ask('fromCookies', { header })),
    fromToken: async (token) => (token === undefined ? undefined : client.ask('fromToken', { token })),
    owners: () => client.ask('owners', {}),
    ownerBySlug: (slug) => client.ask('ownerBySlug', { slug }),
    ownerById: (id) => client.ask('ownerById', { id }),
    createOwner: (owner) => client.ask('createOwner', owner),
    createToken: (request) => client.ask('createToken', request),
    tokens: (ownerId) => client.ask('tokens', { ownerId }),
    revokeToken: (ownerId, id, by) => client.ask('revokeToken', { ownerId, id, by }),
    createLoginTicket: (ownerId, by) => client.ask('createLoginTicket', { ownerId, by }),
    workloads: {
      fromWorkloadToken: (token) => client.ask('fromWorkloadToken', { token }),
      issuers: () => client.ask('issuers', {}),
      bindings: (ownerId) => client.ask('bindings', { ownerId }),
      addBinding: (binding, by) => client.ask('addBinding', { ...binding, by }),
      removeBinding: (ownerId, id, by) => client.ask('removeBinding', { ownerId, id, by }),
    },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}
