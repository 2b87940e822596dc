import { type Identity, mayChange, mayRead, mayUseGitOps } from '../../core/access.ts';
import type { Accounts, Authenticator, Owner } from '../../core/auth.ts';
import type { GitRequest, Refusal } from './git-request.ts';
import { tokenOf } from './git-request.ts';
import type { RepositoryStore } from './repository-store.ts';

/** What a request may do: one repository, for one person. */
export type Grant =
  | { kind: 'gitops'; path: string; identity: Identity }
  | { kind: 'source'; owner: Owner; name: string; path: string; identity: Identity };

export interface AccessGateDeps {
  authenticator: Authenticator;
  accounts: Accounts;
  store: RepositoryStore;
  gitopsPath: string;
  publicOrigin: string;
  maxRepositoriesPerOwner: number;
  /** Whether the repository's deletion is not finished yet. */
  isDeleting(owner: string, name: string): boolean;
}

/** Decides every request, by owner id. Whatever is not granted is refused. */
export interface AccessGate {
  authenticate(authorization: string | undefined): Promise<Identity | Refusal>;
  open(request: GitRequest, identity: Identity): Promise<Grant | Refusal>;
}

export function createAccessGate(deps: AccessGateDeps): AccessGate {
  const howToLogIn = `Give an API token as the password; any user name will do.\nThe dashboard makes one: ${deps.publicOrigin}/`;
  const unauthenticated = (message: string): Refusal => ({
    status: 401,
    message: `${message}\n${howToLogIn}`,
    headers: { 'www-authenticate': 'Basic realm="Towline", charset="UTF-8"' },
  });

  /** Where a push to a new repository goes: it is made once the pack comes, not when the refs are asked for. */
  async function openMissing(request: GitRequest, owner: Owner, name: string): Promise<string | Refusal> {
    if (request.service === 'git-upload-pack') {
      return {
        status: 404,
        message: `There is no repository ${owner.slug}/${name} yet. The first push to it makes it.`,
      };
    }
    const limit = deps.maxRepositoriesPerOwner;
    if ((await deps.store.names(owner.slug)).length >= limit) {
      return {
        status: 403,
        message: `${owner.slug} has as many repositories as an owner may have (${limit}), so ${name} was not made.\nDelete one that is not needed any more, then push again.`,
      };
    }
    return request.step === 'advertise' ? deps.store.emptyPath : deps.store.create(owner.slug, name);
  }

  async function openSource(
    request: GitRequest,
    identity: Identity,
    target: { owner: string; name: string },
  ): Promise<Grant | Refusal> {
    const owner = await deps.accounts.ownerBySlug(target.owner);
    const allowed = request.service === 'git-receive-pack' ? mayChange : mayRead;
    if (!owner || !allowed(identity, owner.id)) {
      // The same words whether it exists or not: others' repositories are nobody's business.
      return {
        status: 404,
        message: `There is no repository ${target.owner}/${target.name} that you may use.`,
      };
    }
    if (deps.isDeleting(owner.slug, target.name)) {
      return {
        status: 409,
        message: `${owner.slug}/${target.name} is being deleted. Try again in a moment.`,
      };
    }
    const path =
      (await deps.store.find(owner.slug, target.name)) ?? (await openMissing(request, owner, target.name));
    if (typeof path !== 'string') return path;
    return { kind: 'source', owner, name: target.name, path, identity };
  }

  return {
    async authenticate(authorization) {
      if (authorization === undefined) return unauthenticated('Log in to use git here.');
      const identity = await deps.authenticator.fromToken(tokenOf(authorization));
      return identity ?? unauthenticated('This API token is not valid, or not any more.');
    },
    async open(request, identity) {
      const { target } = request;
      if (target.kind === 'source') {
        const own = target.owner ?? (await deps.accounts.ownerById(identity.ownerId))?.slug;
        const owner = own ?? identity.owner;
        return openSource(request, identity, { owner, name: target.name });
      }
      if (!mayUseGitOps(identity)) {
        return {
          status: 403,
          message: 'The GitOps repository holds every owner’s configuration: operators only.',
        };
      }
      return { kind: 'gitops', path: deps.gitopsPath, identity };
    },
  };
}
