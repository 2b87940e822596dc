import type { z } from 'zod';
import type { ForgeAccount, RepositoriesChanged, RepositoryRef } from '../../core/forge-events.ts';
import type { Person, SourceRepository } from '../../core/source-event.ts';
import {
  contradiction,
  hasUnseen,
  type IgnoredPushers,
  inChunks,
  isOnForge,
  parsePayload,
  recordable,
  shown,
  slugOf,
  whyNotRepository,
} from './forge-values.ts';
import {
  AccountRenamedPayload,
  CheckRunPayload,
  CheckSuitePayload,
  EditedPayload,
  type GitHubListedRepository,
  type GitHubOwner,
  type GitHubRepository,
  type GitHubSender,
  InstallationPayload,
  InstallationRepositoriesPayload,
  PushPayload,
  RepositoryPayload,
  TransferPayload,
} from './github-payloads.ts';
import type { GitOpsPush } from './gitops-repository.ts';
import { type ForgeDelivery, nothing, type Outcome, partId } from './translation.ts';

/** What this installation is set up for. */
export interface GitHubRules {
  /** As `https://github.com`: clone URLs are made of it, never taken from a payload. */
  baseUrl: string;
  /** The App's own id: re-runs of others' checks are not ours. Unknown: every check counts. */
  appId?: string | undefined;
  ignored: IgnoredPushers;
  gitOpsPush?: GitOpsPush | undefined;
}

type Translate = (delivery: ForgeDelivery, rules: GitHubRules) => Outcome[];
type RepositoryChange = 'renamed' | 'privatized' | 'publicized' | 'edited';
type InstallationChange = 'created' | 'deleted' | 'suspended' | 'unsuspended' | 'permissions-accepted';

const chunkSize = 1000;
/** The button that a check may have; see builder/feedback. */
const rebuildAction = 'rebuild';

function personOf(sender: GitHubSender, name: string | undefined, email: string | null | undefined): Person {
  const fallback = `${sender.id}+${sender.login}@users.noreply.github.com`;
  return {
    name: shown(name, 200, sender.login),
    email: shown(email, 320, fallback),
    login: sender.login.slice(0, 100),
  };
}

const actorOf = (sender: GitHubSender) => personOf(sender, undefined, undefined);

function checkRepository(repository: GitHubRepository, { baseUrl }: GitHubRules): void {
  const { full_name, owner, name, clone_url } = repository;
  const path = `${owner.login}/${name}`;
  if (path.toLowerCase() !== full_name.toLowerCase()) throw contradiction('repository.full_name');
  if (clone_url !== undefined && !isOnForge(clone_url, baseUrl)) throw contradiction('repository.clone_url');
}

function sourceRepository(repository: GitHubRepository, { baseUrl }: GitHubRules): SourceRepository {
  const { owner } = repository;
  return {
    id: repository.id,
    name: repository.name,
    owner: slugOf(owner.login),
    ownerId: owner.id,
    cloneUrl: `${baseUrl}/${repository.full_name}.git`,
    defaultBranch: repository.default_branch,
    private: repository.private,
    path: repository.full_name,
  };
}

const refOf = ({ id, full_name, private: isPrivate }: GitHubListedRepository): RepositoryRef => ({
  id,
  path: full_name,
  private: isPrivate,
});

function accountOf({ id, login, type }: GitHubOwner): ForgeAccount {
  return { id, path: login, kind: type === 'Organization' ? 'organization' : 'user' };
}

/** `undefined` also if the payload names no installation: then it is no App's webhook. */
function installationOf({
  installation,
  repository,
}: {
  installation?: { id: string } | undefined;
  repository: GitHubRepository;
}) {
  return installation ? { id: installation.id, account: accountOf(repository.owner) } : null;
}

function whyNoPush(payload: PushPayload, rules: GitHubRules): string | undefined {
  const { sender, head_commit } = payload;
  if (rules.ignored.isPusher(sender.login)) return `pushes of ${sender.login} deploy nothing`;
  const author = head_commit?.author?.username;
  if (author && rules.ignored.isAuthor(author))
    return `commits of ${shown(author, 200, 'this bot')} deploy nothing`;
  return undefined;
}

const push: Translate = ({ id, payload }, rules) => {
  const parsed = parsePayload(PushPayload, payload);
  const { repository, ref, before, after, sender, pusher, installation } = parsed;
  checkRepository(repository, rules);
  const toGitOps = rules.gitOpsPush?.(id, `${rules.baseUrl}/${repository.full_name}`, after);
  if (toGitOps) return toGitOps;
  if (hasUnseen(ref)) return nothing('the name of the ref has characters that cannot be shown');
  const skipped = whyNotRepository(repository.owner.login, repository.name) ?? whyNoPush(parsed, rules);
  const event = {
    type: 'push',
    id,
    scm: 'github',
    repository: recordable('github', sourceRepository(repository, rules)),
    actor: personOf(sender, pusher.name, pusher.email),
    ref,
    before,
    after,
    ...(installation ? { installationId: installation.id } : {}),
    ...(skipped === undefined ? {} : { skipped }),
  } as const;
  return [{ type: 'source', event }];
};

/** No more than a reason to ask: a deletion may come late, when it is no more true. */
function gone({ id, payload }: ForgeDelivery, rules: GitHubRules, reason: 'deleted' | 'archived'): Outcome[] {
  const parsed = parsePayload(RepositoryPayload, payload);
  const { repository } = parsed;
  checkRepository(repository, rules);
  const unserved = whyNotRepository(repository.owner.login, repository.name);
  if (unserved !== undefined) return nothing(unserved);
  return [leaves(id, parsed, installationOf(parsed), reason)];
}

function leaves(
  id: string,
  { repository, sender }: z.output<typeof RepositoryPayload>,
  installation: RepositoriesChanged['installation'],
  reason: 'deleted' | 'archived' | 'transferred',
): Outcome {
  const about = { id, scm: 'github', actor: actorOf(sender), installation } as const;
  const repositories = [refOf(repository)];
  return {
    type: 'installation',
    event: { ...about, type: 'repositories', change: 'removed', reason, repositories },
  };
}

function changed(change: RepositoryChange): Translate {
  return ({ id, payload }, rules) => {
    const { repository, sender } = parsePayload(RepositoryPayload, payload);
    checkRepository(repository, rules);
    const event = {
      type: 'repository',
      id,
      scm: 'github',
      actor: actorOf(sender),
      change,
      repository: refOf(repository),
    } as const;
    return [{ type: 'installation', event }];
  };
}

const edited: Translate = (delivery, rules) => {
  const { changes } = parsePayload(EditedPayload, delivery.payload);
  if (changes?.default_branch === undefined) return nothing('only a new default branch matters');
  return changed('edited')(delivery, rules);
};

const unarchived: Translate = ({ id, payload }, rules) => {
  const parsed = parsePayload(RepositoryPayload, payload);
  checkRepository(parsed.repository, rules);
  return added(id, parsed, 'unarchived');
};

function added(
  id: string,
  parsed: z.output<typeof RepositoryPayload>,
  reason: 'unarchived' | 'transferred',
): Outcome[] {
  const event: RepositoriesChanged = {
    type: 'repositories',
    id,
    scm: 'github',
    actor: actorOf(parsed.sender),
    installation: installationOf(parsed),
    change: 'added',
    reason,
    repositories: [refOf(parsed.repository)],
  };
  const { id: ownerId, login } = parsed.repository.owner;
  return [{ type: 'installation', event, owner: { id: ownerId, path: login } }];
}

/** It leaves the former owner, and comes to the new one if the App is installed there. */
const transferred: Translate = ({ id, payload }, rules) => {
  const parsed = parsePayload(TransferPayload, payload);
  const { repository, installation, changes } = parsed;
  checkRepository(repository, rules);
  const { user, organization } = changes.owner.from;
  const former = organization ?? user;
  if (!former) throw contradiction('changes.owner.from');
  const outcomes: Outcome[] = [];
  if (whyNotRepository(former.login, repository.name) === undefined && former.id !== repository.owner.id) {
    // Whose it was is known here; its new installation, if there is one, says nothing of the former.
    outcomes.push(leaves(id, parsed, null, 'transferred'));
  }
  if (installation) outcomes.push(...added(partId(id, 1), parsed, 'transferred'));
  return outcomes.length > 0 ? outcomes : nothing('its new owner has not installed the App');
};

/** All repositories of an installation are its account's. */
function checkList(
  { account }: { account: GitHubOwner },
  list: readonly GitHubListedRepository[],
  place: string,
): void {
  const prefix = `${account.login.toLowerCase()}/`;
  const stranger = list.findIndex(
    ({ full_name, name }) => full_name.toLowerCase() !== `${prefix}${name.toLowerCase()}`,
  );
  if (stranger >= 0) throw contradiction(`${place}.${stranger}.full_name`);
}

function isAnotherApp(appId: string | undefined, rules: GitHubRules): boolean {
  return rules.appId !== undefined && appId !== undefined && appId !== rules.appId;
}

function installation(change: InstallationChange): Translate {
  return ({ id, payload }, rules) => {
    const parsed = parsePayload(InstallationPayload, payload);
    const { account, app_id } = parsed.installation;
    if (isAnotherApp(app_id, rules)) throw contradiction('installation.app_id');
    const list = change === 'created' ? (parsed.repositories ?? []) : [];
    checkList(parsed.installation, list, 'repositories');
    const [first = [], ...rest] = inChunks(list, chunkSize);
    const about = {
      scm: 'github',
      actor: actorOf(parsed.sender),
      installation: { id: parsed.installation.id, account: accountOf(account) },
    } as const;
    return [
      {
        type: 'installation',
        event: { ...about, type: 'installation', id, change, repositories: first.map(refOf) },
      },
      ...rest.map((part, index): Outcome => {
        const ids = { id: partId(id, index + 1), repositories: part.map(refOf) };
        const event = { ...about, ...ids, type: 'repositories', change: 'added', reason: 'chosen' } as const;
        return { type: 'installation', event };
      }),
    ];
  };
}

function installationRepositories(change: 'added' | 'removed'): Translate {
  return ({ id, payload }, rules) => {
    const parsed = parsePayload(InstallationRepositoriesPayload, payload);
    const { account, app_id } = parsed.installation;
    if (isAnotherApp(app_id, rules)) throw contradiction('installation.app_id');
    const list = parsed[`repositories_${change}`];
    checkList(parsed.installation, list, `repositories_${change}`);
    if (list.length === 0) return nothing('no repository came or went');
    return inChunks(list, chunkSize).map((part, index) => ({
      type: 'installation',
      event: {
        type: 'repositories',
        id: partId(id, index),
        scm: 'github',
        actor: actorOf(parsed.sender),
        installation: { id: parsed.installation.id, account: accountOf(account) },
        change,
        reason: 'chosen',
        repositories: part.map(refOf),
      },
    }));
  };
}

const accountRenamed: Translate = ({ id, payload, event: name }) => {
  const { sender, account, organization, changes } = parsePayload(AccountRenamedPayload, payload);
  const renamed = account ?? organization;
  if (!renamed) throw contradiction('account');
  const kind = name === 'organization' ? 'organization' : accountOf(renamed).kind;
  const event = {
    type: 'account-renamed',
    id,
    scm: 'github',
    actor: actorOf(sender),
    account: { ...accountOf(renamed), kind },
    formerPath: changes.login.from,
  } as const;
  return [{ type: 'installation', event }];
};

const checkRun: Translate = ({ id, payload }, rules) => {
  const parsed = parsePayload(CheckRunPayload, payload);
  const { check_run, requested_action, repository, sender } = parsed;
  checkRepository(repository, rules);
  if (isAnotherApp(check_run.app.id, rules)) return nothing('the check is not ours');
  if (requested_action && requested_action.identifier !== rebuildAction) {
    return nothing('there is no such action');
  }
  const request = {
    id,
    scm: 'github',
    repositoryId: repository.id,
    commit: check_run.head_sha,
    externalId: check_run.external_id || null,
    actor: actorOf(sender),
  } as const;
  return [{ type: 'rebuild', request }];
};

const checkSuite: Translate = ({ id, payload }, rules) => {
  const { check_suite, repository, sender } = parsePayload(CheckSuitePayload, payload);
  checkRepository(repository, rules);
  if (isAnotherApp(check_suite.app.id, rules)) return nothing('the checks are not ours');
  const request = {
    id,
    scm: 'github',
    repositoryId: repository.id,
    commit: check_suite.head_sha,
    externalId: null,
    actor: actorOf(sender),
  } as const;
  return [{ type: 'rebuild', request }];
};

/** By `event` or `event.action`; whatever is not here is nothing to us. docs/webhooks.md shows it. */
const translations: ReadonlyMap<string, Translate> = new Map<string, Translate>([
  ['push', push],
  ['repository.deleted', (delivery, rules) => gone(delivery, rules, 'deleted')],
  ['repository.archived', (delivery, rules) => gone(delivery, rules, 'archived')],
  ['repository.unarchived', unarchived],
  ['repository.renamed', changed('renamed')],
  ['repository.transferred', transferred],
  ['repository.privatized', changed('privatized')],
  ['repository.publicized', changed('publicized')],
  ['repository.edited', edited],
  ['installation.created', installation('created')],
  ['installation.deleted', installation('deleted')],
  ['installation.suspend', installation('suspended')],
  ['installation.unsuspend', installation('unsuspended')],
  ['installation.new_permissions_accepted', installation('permissions-accepted')],
  ['installation_repositories.added', installationRepositories('added')],
  ['installation_repositories.removed', installationRepositories('removed')],
  ['installation_target.renamed', accountRenamed],
  ['organization.renamed', accountRenamed],
  ['check_run.rerequested', checkRun],
  ['check_run.requested_action', checkRun],
  ['check_suite.rerequested', checkSuite],
]);

/** Why events that look as if they meant something here don't. */
const reasons: ReadonlyMap<string, string> = new Map([
  ['ping', 'a ping'],
  ['create', 'the push tells of it'],
  ['delete', 'the push tells of it'],
  ['public', 'repository.publicized tells of it'],
  ['repository.created', 'installation_repositories.added tells of it'],
]);

function actionOf(payload: unknown): string | undefined {
  if (typeof payload !== 'object' || payload === null || !Object.hasOwn(payload, 'action')) return undefined;
  const { action } = payload as { action?: unknown };
  return typeof action === 'string' && /^[a-z_]{1,50}$/.test(action) ? action : undefined;
}

/** What a delivery of GitHub's comes to. Throws `bad_request` that tells the place and no content. */
export function translateGitHub(delivery: ForgeDelivery, rules: GitHubRules): Outcome[] {
  const action = actionOf(delivery.payload);
  const name = action === undefined ? delivery.event : `${delivery.event}.${action}`;
  const translate = translations.get(name);
  if (translate) return translate(delivery, rules);
  return nothing(reasons.get(name) ?? reasons.get(delivery.event) ?? 'not an event that we use');
}
