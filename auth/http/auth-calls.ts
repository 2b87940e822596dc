import type { RequestListener } from 'node:http';
import type { Accounts, Authenticator, Workloads } from '../../core/auth.ts';
import { authContract } from '../../core/calls/auth-calls.ts';
import type { Person } from '../../core/source-event.ts';
import { type CallServerOptions, createCallServer } from '../../runtime/services/call-server.ts';

export interface CalledAuth extends Authenticator, Accounts {
  workloads: Workloads;
  createLoginTicket(ownerId: string, by?: Person): Promise<{ ticket: string; expiresAt: number }>;
}

/** `/calls/auth/…`: the auth service for other processes. */
export function createAuthCalls(auth: CalledAuth, options: CallServerOptions): RequestListener {
  const { workloads } = auth;
  return createCallServer(
    authContract,
    {
      fromCookies: ({ header }) => auth.fromCookies(header),
      fromToken: ({ token }) => auth.fromToken(token),
      owners: () => auth.owners(),
      ownerBySlug: ({ slug }) => auth.ownerBySlug(slug),
      ownerById: ({ id }) => auth.ownerById(id),
      createOwner: (owner) => auth.createOwner(owner),
      createToken: (request) => auth.createToken(request),
      tokens: ({ ownerId }) => auth.tokens(ownerId),
      revokeToken: ({ ownerId, id, by }) => auth.revokeToken(ownerId, id, by),
      createLoginTicket: ({ ownerId, by }) => auth.createLoginTicket(ownerId, by),
      fromWorkloadToken: ({ token }) => workloads.fromWorkloadToken(token),
      issuers: () => workloads.issuers(),
      bindings: ({ ownerId }) => workloads.bindings(ownerId),
      addBinding: ({ by, ...binding }) => workloads.addBinding(binding, by),
      removeBinding: ({ ownerId, id, by }) => workloads.removeBinding(ownerId, id, by),
    },
    options,
  );
}
