import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Identity } from '../core/access.ts';
import { type AuditTrail, noAuditTrail } from '../core/audit.ts';
import type { Accounts, Authenticator, Workloads } from '../core/auth.ts';
import { TowlineError } from '../core/errors.ts';
import type { Person } from '../core/source-event.ts';
import { createCountedAudit } from '../runtime/audit/counted-audit.ts';
import { createHttpApp } from '../runtime/http-service.ts';
import type { Logger } from '../runtime/logger.ts';
import { createSqliteAccountStore } from './accounts/account-store-sqlite.ts';
import { createAccounts, identityOf } from './accounts/accounts.ts';
import { tokenHash } from './accounts/api-token.ts';
import { auditedAccounts, auditedWorkloads, createChangeRecord } from './audit.ts';
import { openAuthDatabase } from './auth-database.ts';
import { createKeyRing } from './keys/key-ring.ts';
import { createFolderKeyStore } from './keys/key-store-folder.ts';
import { createAttemptLimiter } from './login/attempt-limiter.ts';
import { createOneTimeLinkProvider } from './login/identity-provider-one-time-link.ts';
import { loginRoutes } from './login/login-routes.ts';
import { createSqliteTicketStore } from './login/ticket-store-sqlite.ts';
import { createSqliteRevocationList } from './sessions/revocation-list-sqlite.ts';
import { createSessionCookie } from './sessions/session-cookie.ts';
import { createSessionTokens } from './sessions/session-tokens.ts';
import { createSqliteBindingStore } from './workloads/binding-store-sqlite.ts';
import { parseTrustedIssuer } from './workloads/trusted-issuer.ts';
import { createWorkloadTokens, type WorkloadTokensOptions } from './workloads/workload-tokens.ts';
import { createWorkloads } from './workloads/workloads.ts';

export { authSettings } from './config.ts';

export interface AuthConfig {
  databasePath: string;
  /** As `http://localhost:8080`; https makes cookies `Secure` with the `__Host-` prefix. */
  publicOrigin: string;
  /** Default: the public origin. */
  issuer?: string | undefined;
  /** Milliseconds; default 12 hours. */
  sessionTtlMs?: number | undefined;
  /** Milliseconds that a login link works; default 10 minutes. */
  ticketTtlMs?: number | undefined;
  /** No new owner may be called so; core/names.ts has those that nowhere may. */
  reservedOwners?: readonly string[] | undefined;
  /** Folder of the signing keys. */
  keysDir: string;
  /** Whose CI tokens count, as `github=https://token.actions.githubusercontent.com`. Default: nobody's. */
  ciIssuers?: string[] | undefined;
  /** What CI tokens have to be made for. Default: the public origin. */
  ciAudience?: string | undefined;
  /** How the issuers' keys are fetched. */
  ciKeys?: WorkloadTokensOptions['keys'];
}

export interface AuthDeps {
  logger: Logger;
  /** Where it is kept who logged in and what was done to accounts; without it nothing of it is kept. */
  audit?: AuditTrail | undefined;
  /** Milliseconds since the epoch; default `Date.now`. */
  clock?: (() => number) | undefined;
}

export interface Auth extends Authenticator, Accounts, AsyncDisposable {
  /** `/login`, `/logout` and `/.well-known/jwks.json`. */
  handle(req: IncomingMessage, res: ServerResponse): void;
  /** For `<publicOrigin>/login?ticket=…`. Throws `not_found`. */
  createLoginTicket(ownerId: string, by?: Person): Promise<{ ticket: string; expiresAt: number }>;
  sessionCookieName: string;
  workloads: Workloads;
}

const hour = 60 * 60_000;
const refusedToken = {
  action: 'login',
  result: 'refused',
  actor: 'somebody',
  reason: 'an API token that is unknown, revoked or expired',
} as const;

/** Accounts, API tokens, sessions and the login by one-time link. */
export async function createAuth(config: AuthConfig, deps: AuthDeps): Promise<Auth> {
  const clock = deps.clock ?? Date.now;
  const publicOrigin = new URL(config.publicOrigin).origin;
  const keys = createKeyRing(createFolderKeyStore({ folder: config.keysDir, clock }), clock);
  await keys.all();
  const database = openAuthDatabase(config.databasePath);
  const store = createSqliteAccountStore(database);
  const trail = deps.audit ?? noAuditTrail;
  const record = createChangeRecord({ trail, ownerById: (id) => store.ownerById(id), clock });
  const refusals = createCountedAudit(trail, { now: clock });
  const accounts = auditedAccounts(createAccounts(store, clock, config.reservedOwners), record);
  const cookie = createSessionCookie(publicOrigin.startsWith('https:'));
  const sessions = createSessionTokens({
    keys,
    revocations: createSqliteRevocationList(database),
    issuer: config.issuer ?? publicOrigin,
    audience: publicOrigin,
    ttlMs: config.sessionTtlMs ?? 12 * hour,
    clock,
  });
  const issuers = (config.ciIssuers ?? []).map((text) => {
    const issuer = parseTrustedIssuer(text);
    if (issuer) return issuer;
    throw new TowlineError('config_invalid', `${JSON.stringify(text)} is no issuer of CI tokens`);
  });
  const workloads = createWorkloads({
    issuers,
    tokens: createWorkloadTokens({
      issuers,
      audience: config.ciAudience ?? publicOrigin,
      keys: config.ciKeys,
      clock,
    }),
    store: createSqliteBindingStore(database),
    clock,
  });
  const links = createOneTimeLinkProvider({
    store: createSqliteTicketStore(database),
    ttlMs: config.ticketTtlMs ?? hour / 6,
    clock,
  });
  const app = createHttpApp(deps.logger);
  app.use(
    loginRoutes({
      publicOrigin,
      providers: [links],
      sessions,
      cookie,
      keys,
      limiter: createAttemptLimiter({ maxFailures: 10, windowMs: 60_000, maxKeys: 10_000, clock }),
      isOwner: (ownerId) => store.ownerById(ownerId) !== undefined,
      audit: { record, refusals },
      clock,
      logger: deps.logger,
    }).routes(),
  );
  app.use(() => {
    throw new TowlineError('not_found', 'there is nothing here');
  });
  const handle = app.callback();

  async function fromCookies(header: string | undefined): Promise<Identity | undefined> {
    for (const value of cookie.valuesIn(header)) {
      const session = await sessions.verify(value);
      const owner = session && store.ownerById(session.ownerId);
      if (owner) return identityOf(owner, 'session');
    }
    return undefined;
  }

  const { ownerOfToken, ...publicAccounts } = accounts;
  return {
    ...publicAccounts,
    fromCookies,
    async fromToken(text) {
      const owner = ownerOfToken(text);
      if (!owner && text !== undefined && tokenHash(text)) refusals.happened(refusedToken);
      return owner && identityOf(owner, 'token');
    },
    handle: (req, res) => void handle(req, res),
    async createLoginTicket(ownerId, by) {
      if (!store.ownerById(ownerId)) throw new TowlineError('not_found', 'there is no such owner');
      const made = await links.createTicket(ownerId);
      record('login-link', { ownerId, by });
      return made;
    },
    sessionCookieName: cookie.name,
    workloads: auditedWorkloads(workloads, record),
    async [Symbol.asyncDispose]() {
      refusals[Symbol.dispose]();
      if (database.isOpen) database.close();
    },
  };
}
