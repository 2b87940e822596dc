import { z } from 'zod';
import { CommitSha } from '../../core/names.ts';
import type { Person, SourceRepository } from '../../core/source-event.ts';
import {
  Branch,
  contradiction,
  ForgeId,
  hasUnseen,
  type IgnoredPushers,
  isOnForge,
  parsePayload,
  Ref,
  recordable,
  ShortText,
  shown,
  slugOf,
  whyNotRepository,
} from './forge-values.ts';
import type { GitOpsPush } from './gitops-repository.ts';
import { type ForgeDelivery, nothing, type Outcome } from './translation.ts';

/** The one Gitea or Forgejo whose hooks may come. */
export interface GiteaRules {
  /** As `https://codeberg.org`: clone URLs are made of it. */
  baseUrl: string;
  ignored: IgnoredPushers;
  gitOpsPush?: GitOpsPush | undefined;
}

const Account = z.object({
  id: ForgeId,
  login: z.string().regex(/^[A-Za-z0-9_.-]{1,100}$/),
  full_name: ShortText.optional(),
  email: ShortText.optional(),
});

const Repository = z.object({
  id: ForgeId,
  name: z.string().regex(/^[A-Za-z0-9_.-]{1,100}$/),
  full_name: ShortText,
  private: z.boolean(),
  owner: Account,
  default_branch: Branch,
  clone_url: ShortText.optional(),
});
type Repository = z.output<typeof Repository>;

const PushPayload = z.object({
  ref: Ref,
  before: CommitSha,
  after: CommitSha,
  repository: Repository,
  sender: Account,
});

const RepositoryPayload = z.object({ action: ShortText, repository: Repository, sender: Account });

/** Its numbers are small, and the built-in host shares the kind `git`. */
const own = (id: string) => `gitea-${id}`;

function toRepository(repository: Repository, { baseUrl }: GiteaRules): SourceRepository {
  const { owner, name, full_name, clone_url } = repository;
  if (`${owner.login}/${name}`.toLowerCase() !== full_name.toLowerCase()) {
    throw contradiction('repository.full_name');
  }
  if (clone_url && !isOnForge(clone_url, baseUrl)) throw contradiction('repository.clone_url');
  return {
    id: own(repository.id),
    name,
    owner: slugOf(owner.login),
    ownerId: own(owner.id),
    cloneUrl: `${baseUrl}/${owner.login}/${name}.git`,
    defaultBranch: repository.default_branch,
    private: repository.private,
    path: `${owner.login}/${name}`,
  };
}

function personOf({ login, full_name, email }: z.output<typeof Account>): Person {
  return {
    name: shown(full_name, 200, login),
    email: shown(email, 320, `${login}@noreply.localhost`),
    login,
  };
}

function push({ id, payload }: ForgeDelivery, rules: GiteaRules): Outcome[] {
  const parsed = parsePayload(PushPayload, payload);
  const repository = toRepository(parsed.repository, rules);
  const toGitOps = rules.gitOpsPush?.(id, repository.cloneUrl, parsed.after);
  if (toGitOps) return toGitOps;
  if (hasUnseen(parsed.ref)) return nothing('the name of the ref has characters that cannot be shown');
  const { sender, ref, before, after } = parsed;
  const ignored = rules.ignored.isPusher(sender.login)
    ? `pushes of ${sender.login} deploy nothing`
    : undefined;
  const skipped = whyNotRepository(parsed.repository.owner.login, repository.name) ?? ignored;
  const event = {
    type: 'push',
    id,
    scm: 'git',
    repository: recordable('git', repository),
    actor: personOf(sender),
    ref,
    before,
    after,
    ...(skipped === undefined ? {} : { skipped }),
  } as const;
  return [{ type: 'source', event }];
}

function repositoryEvent({ id, payload }: ForgeDelivery, rules: GiteaRules): Outcome[] {
  const parsed = parsePayload(RepositoryPayload, payload);
  if (parsed.action !== 'deleted') return nothing('not an event that we use');
  const repository = toRepository(parsed.repository, rules);
  if (whyNotRepository(parsed.repository.owner.login, repository.name) !== undefined) {
    return nothing('it cannot be served');
  }
  const actor = personOf(parsed.sender);
  const event = { type: 'repository-deleted', id, scm: 'git', repository, actor, reason: 'deleted' } as const;
  return [{ type: 'source', event }];
}

/** What a delivery of Gitea's or Forgejo's comes to. Throws `bad_request` that tells the place and no content. */
export function translateGitea(delivery: ForgeDelivery, rules: GiteaRules): Outcome[] {
  if (delivery.event === 'push') return push(delivery, rules);
  if (delivery.event === 'repository') return repositoryEvent(delivery, rules);
  return nothing('not an event that we use');
}
