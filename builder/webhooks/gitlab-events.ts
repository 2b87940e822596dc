import type { RepositoriesChanged, RepositoryRef } from '../../core/forge-events.ts';
import type { Person, SourceRepository } from '../../core/source-event.ts';
import {
  contradiction,
  hasUnseen,
  type IgnoredPushers,
  isOnForge,
  parsePayload,
  recordable,
  shown,
  slugOf,
  whyNotRepository,
} from './forge-values.ts';
import type { GitLabArrival } from './gitlab-arrival.ts';
import { GroupRenamePayload, type ProjectAnswer, ProjectPayload, PushPayload } from './gitlab-payloads.ts';
import type { GitOpsPush } from './gitops-repository.ts';
import { type ForgeDelivery, nothing, type Outcome, partId } from './translation.ts';

/** What this installation is set up for. */
export interface GitLabRules {
  /** As `https://gitlab.com`, with its path if GitLab has one: clone URLs are made of it. */
  baseUrl: string;
  /** The topic that a project opts in by; `undefined`: every project whose events come is served. */
  topic: string | undefined;
  ignored: IgnoredPushers;
  gitOpsPush?: GitOpsPush | undefined;
}

type Translate = (delivery: ForgeDelivery, rules: GitLabRules) => Outcome[];

/** Of GitLab's visibility levels, the one that everybody sees. */
const publicLevel = 20;
const nobody: Person = { name: 'GitLab', email: '', login: 'gitlab' };

const push: Translate = ({ id, payload }, rules) => {
  const parsed = parsePayload(PushPayload, payload);
  const { project, ref, before, after, user_username } = parsed;
  if (project.id !== parsed.project_id) throw contradiction('project.id');
  if (project.git_http_url && !isOnForge(project.git_http_url, rules.baseUrl)) {
    throw contradiction('project.git_http_url');
  }
  const toGitOps = rules.gitOpsPush?.(id, `${rules.baseUrl}/${project.path_with_namespace}`, after);
  if (toGitOps) return toGitOps;
  if (hasUnseen(ref)) return nothing('the name of the ref has characters that cannot be shown');
  const login = shown(user_username, 100, `user-${parsed.user_id}`);
  // GitLab hides addresses of those who don't want theirs shown.
  const email = shown(parsed.user_email, 320, `${parsed.user_id}-noreply@${new URL(rules.baseUrl).hostname}`);
  const arrival: GitLabArrival = {
    id,
    kind: 'push',
    projectId: project.id,
    path: project.path_with_namespace,
    private: project.visibility_level !== publicLevel,
    push: { ref, before, after },
    actor: { name: shown(parsed.user_name, 200, login), email, login },
    ...(rules.ignored.isPusher(login) ? { skipped: `pushes of ${login} deploy nothing` } : {}),
  };
  return [{ type: 'arrival', arrival }];
};

function about(payload: unknown) {
  const parsed = parsePayload(ProjectPayload, payload);
  const actor = parsed.owner_name
    ? {
        name: shown(parsed.owner_name, 200, nobody.name),
        email: shown(parsed.owner_email, 320, ''),
        login: nobody.login,
      }
    : nobody;
  const ref: RepositoryRef = {
    id: parsed.project_id,
    path: parsed.path_with_namespace,
    private: parsed.project_visibility !== 'public',
  };
  return { ref, actor, formerPath: parsed.old_path_with_namespace };
}

function arrives(kind: GitLabArrival['kind']): Translate {
  return ({ id, payload }) => {
    const { ref, actor } = about(payload);
    const { id: projectId, path, private: isPrivate } = ref;
    return [
      { type: 'arrival', arrival: { id, kind, projectId, path, private: isPrivate, push: null, actor } },
    ];
  };
}

function repositories(
  event: Pick<RepositoriesChanged, 'id' | 'actor' | 'change' | 'reason'>,
  ref: RepositoryRef,
  owner?: { id: string; path: string },
): Outcome {
  const whole: RepositoriesChanged = {
    ...event,
    type: 'repositories',
    scm: 'gitlab',
    installation: null,
    repositories: [ref],
  };
  return { type: 'installation', event: whole, ...(owner ? { owner } : {}) };
}

/** No more than a reason to ask whether it is gone, with the token that it was served by. */
const destroyed: Translate = ({ id, payload }) => {
  const { ref, actor } = about(payload);
  return [repositories({ id, actor, change: 'removed', reason: 'deleted' }, ref)];
};

const groupRenamed: Translate = ({ id, payload }) => {
  const { group_id, full_path, old_full_path } = parsePayload(GroupRenamePayload, payload);
  const account = { id: group_id, path: full_path, kind: 'group' } as const;
  const event = {
    type: 'account-renamed',
    id,
    scm: 'gitlab',
    actor: nobody,
    account,
    formerPath: old_full_path,
  } as const;
  return [{ type: 'installation', event }];
};

/** By `event_name`, or `object_kind` where there is no such; whatever is not here is nothing to us. */
const translations: ReadonlyMap<string, Translate> = new Map<string, Translate>([
  ['push', push],
  ['tag_push', push],
  ['project_create', arrives('added')],
  ['project_destroy', destroyed],
  ['project_rename', arrives('renamed')],
  ['project_transfer', arrives('transferred')],
  ['project_update', arrives('updated')],
  ['group_rename', groupRenamed],
]);

const reasons: ReadonlyMap<string, string> = new Map([
  ['repository_update', 'the pushes tell of it'],
  ['group_create', 'its projects tell of themselves'],
  ['group_destroy', 'project_destroy tells of each project'],
]);

/** What the event calls itself; GitLab's header only says which kind of hook it is. */
export function gitlabEventName(payload: unknown): string {
  if (typeof payload !== 'object' || payload === null) return '';
  const { event_name, object_kind } = payload as { event_name?: unknown; object_kind?: unknown };
  const name = event_name ?? object_kind;
  return typeof name === 'string' && /^[a-z_]{1,60}$/.test(name) ? name : '';
}

/** What a delivery of GitLab's comes to. Throws `bad_request` that tells the place and no content. */
export function translateGitLab(delivery: ForgeDelivery, rules: GitLabRules): Outcome[] {
  const translate = translations.get(delivery.event);
  if (translate) return translate(delivery, rules);
  return nothing(reasons.get(delivery.event) ?? 'not an event that we use');
}

function hasOptedIn({ topics, tag_list }: ProjectAnswer, topic: string | undefined): boolean {
  if (topic === undefined) return true;
  const given = (topics ?? tag_list ?? []).map((each) => each.toLowerCase());
  return given.includes(topic.toLowerCase());
}

/** As events name it; `undefined` if nothing of it can have a name here, or it has not opted in. */
export function gitlabRepository(
  project: ProjectAnswer,
  rules: Pick<GitLabRules, 'baseUrl' | 'topic'>,
): SourceRepository | undefined {
  const isServed = hasOptedIn(project, rules.topic) && !project.archived;
  if (!isServed || whyNotRepository(project.namespace.full_path, project.path) !== undefined)
    return undefined;
  return sourceRepository(project, rules);
}

function sourceRepository(
  project: ProjectAnswer,
  { baseUrl }: Pick<GitLabRules, 'baseUrl'>,
): SourceRepository {
  return {
    id: project.id,
    name: project.path,
    owner: slugOf(project.namespace.full_path),
    ownerId: project.namespace.id,
    cloneUrl: `${baseUrl}/${project.path_with_namespace}.git`,
    defaultBranch: project.default_branch ?? 'main',
    private: project.visibility !== 'public',
    path: project.path_with_namespace,
  };
}

/**
 * What an arrival comes to, now that GitLab has told of the project; `null`: there is no such project, or our token
 * must not see it.
 */
export function completeArrival(
  arrival: GitLabArrival,
  project: ProjectAnswer | null,
  rules: GitLabRules,
): Outcome[] {
  if (project === null) return nothing('GitLab knows no such project, or does not show it to us');
  if (project.id !== arrival.projectId) throw contradiction('id');
  const isServed = hasOptedIn(project, rules.topic);
  if (arrival.kind === 'push') return completePush(arrival, project, rules, isServed);
  return completeChange(arrival, project, rules, isServed);
}

function completePush(
  { id, push: pushed, actor, skipped }: GitLabArrival,
  project: ProjectAnswer,
  rules: GitLabRules,
  isServed: boolean,
): Outcome[] {
  if (!isServed) return [optedOut(id, actor, project)];
  const why = whyNotRepository(project.namespace.full_path, project.path) ?? skipped;
  if (pushed === null) throw contradiction('push');
  const event = {
    type: 'push',
    id,
    scm: 'gitlab',
    repository: recordable('gitlab', sourceRepository(project, rules)),
    actor,
    ...pushed,
    ...(why === undefined ? {} : { skipped: why }),
  } as const;
  return [{ type: 'source', event }];
}

function refOf({ id, path_with_namespace: path, visibility }: ProjectAnswer): RepositoryRef {
  return { id, path, private: visibility !== 'public' };
}

/** Also of one that never was served: what is not here cannot be removed. */
function optedOut(id: string, actor: Person, project: ProjectAnswer): Outcome {
  return repositories({ id, actor, change: 'removed', reason: 'opted-out' }, refOf(project));
}

function completeChange(
  { id, kind, actor }: GitLabArrival,
  project: ProjectAnswer,
  rules: GitLabRules,
  isServed: boolean,
): Outcome[] {
  const ref = refOf(project);
  if (!isServed) return [optedOut(id, actor, project)];
  if (project.archived) {
    if (whyNotRepository(project.namespace.full_path, project.path) !== undefined) {
      return nothing('it cannot be served');
    }
    const repository = sourceRepository(project, rules);
    const event = {
      type: 'repository-deleted',
      id,
      scm: 'gitlab',
      repository,
      actor,
      reason: 'archived',
    } as const;
    return [{ type: 'source', event }];
  }
  if (kind === 'renamed') {
    const event = {
      type: 'repository',
      id,
      scm: 'gitlab',
      actor,
      change: 'renamed',
      repository: ref,
    } as const;
    return [{ type: 'installation', event }];
  }
  const owner = { id: project.namespace.id, path: project.namespace.full_path };
  if (kind === 'transferred') {
    const came = { id: partId(id, 1), actor, change: 'added', reason: 'transferred' } as const;
    return [repositories({ ...came, id, change: 'removed' }, ref), repositories(came, ref, owner)];
  }
  // A change of its topics is told as an update: projects that are known already stay as they are.
  const reason = kind === 'added' ? 'created' : 'chosen';
  return [repositories({ id, actor, change: 'added', reason }, ref, owner)];
}
