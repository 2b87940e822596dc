import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Owner } from '../core/auth.ts';
import { defaultEnvironment } from '../core/environments.ts';
import { TowlineError } from '../core/errors.ts';
import { auditWebhookOf } from '../runtime/audit/audit-settings.ts';
import { openAuditTrail } from '../runtime/audit/audit-trail.ts';
import type { ConfigOf } from '../runtime/config.ts';
import { readInstallationRules } from '../runtime/installation/installation.ts';
import { makeFolder } from '../runtime/make-folder.ts';
import type { Command, OpenProgram, ProgramContext } from '../runtime/program/program.ts';
import { mountedServiceTokens } from '../runtime/services/service-access.ts';
import type { authProgramSettings } from './config.ts';
import { createAuthCalls } from './http/auth-calls.ts';
import { type Auth, createAuth } from './index.ts';

export type AuthProgramConfig = ConfigOf<typeof authProgramSettings>;
type AuthCommand = Command<typeof authProgramSettings>;

interface OpenStores extends AsyncDisposable {
  auth: Auth;
}

/** A command records beside the running program, which tells of it. */
async function openStores(
  config: AuthProgramConfig,
  { logger }: Pick<ProgramContext, 'logger'>,
  isCommand: boolean,
): Promise<OpenStores> {
  await using stack = new AsyncDisposableStack();
  const { dataDir, publicOrigin, sessionTtlMs, ticketTtlMs, ciIssuers, ciAudience } = config;
  const { environments } = readInstallationRules(config.configFile);
  const keysDir = join(dataDir, 'keys');
  makeFolder(keysDir);
  const audit = { path: join(dataDir, 'audit.db'), webhook: auditWebhookOf(config), isCommand };
  const trail = stack.use(openAuditTrail(audit, { logger }));
  const auth = await createAuth(
    {
      databasePath: join(dataDir, 'auth.db'),
      keysDir,
      publicOrigin,
      // Hosts below an environment's name are other people's: they must not be below an owner's.
      reservedOwners: environments.map(({ name }) => name).filter((name) => name !== defaultEnvironment),
      ...{ sessionTtlMs, ticketTtlMs, ciIssuers, ciAudience },
    },
    { logger, audit: trail },
  );
  stack.use(auth);
  const resources = stack.move();
  return { auth, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** Accounts and logins with their calls. Ready as soon as its database is open. */
export async function openAuth(config: AuthProgramConfig, context: ProgramContext): Promise<OpenProgram> {
  const { logger, signal } = context;
  const tokens = mountedServiceTokens(config.serviceTokenFile, logger);
  const stores = await openStores(config, context, false);
  const { auth } = stores;
  return {
    whyNotReady: () => undefined,
    front: { request: auth.handle },
    internal: createAuthCalls(auth, { tokens, logger, signal }),
    [Symbol.asyncDispose]: () => stores[Symbol.asyncDispose](),
  };
}

async function ownerCalled(auth: Auth, slug: string | undefined): Promise<Owner> {
  const owner = slug === undefined ? undefined : await auth.ownerBySlug(slug);
  if (owner) return owner;
  throw new TowlineError('not_found', `there is no owner ${JSON.stringify(slug ?? '')}`, {
    hint: 'node auth/main.ts create-owner <slug> makes one',
  });
}

const loginLink: AuthCommand = {
  usage: 'login-link <owner>',
  async run([slug], config, context) {
    await using stores = await openStores(config, context, true);
    const { auth } = stores;
    const { id } = await ownerCalled(auth, slug);
    return `${config.publicOrigin}/login?ticket=${(await auth.createLoginTicket(id)).ticket}`;
  },
};

const createOwner: AuthCommand = {
  usage: 'create-owner <slug> [--id <id of the forge>] [--name <name>] [--email <address>] [--operator]',
  async run(args, config, context) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        id: { type: 'string' },
        name: { type: 'string' },
        email: { type: 'string' },
        operator: { type: 'boolean' },
      },
    });
    const [slug, ...more] = positionals;
    if (slug === undefined || more.length > 0) throw new TowlineError('bad_request', `usage: ${this.usage}`);
    await using stores = await openStores(config, context, true);
    const { auth } = stores;
    const { id, name = slug, email = `${slug}@localhost`, operator } = values;
    const owner = await auth.createOwner({ id, slug, name, email, role: operator ? 'operator' : 'member' });
    return `${owner.slug}: ${owner.id} (${owner.role})`;
  },
};

/** For `kubectl exec`, beside the running program: both open the same database. */
export const authCommands = { 'login-link': loginLink, 'create-owner': createOwner };
