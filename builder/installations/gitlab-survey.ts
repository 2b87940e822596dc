import { randomUUID } from 'node:crypto';
import type { Logger } from '../../runtime/logger.ts';
import type { KnownRepository } from '../source/source-access.ts';
import type { GitLabArrival } from '../webhooks/gitlab-arrival.ts';
import { type GitLabRules, gitlabRepository } from '../webhooks/gitlab-events.ts';
import type { ProjectAnswer } from '../webhooks/gitlab-payloads.ts';
import type { GitLabProjects } from '../webhooks/gitlab-projects.ts';
import type { InstallationStore, ServedRepository } from './installation-store.ts';

export interface GitLabSurveyDeps {
  store: InstallationStore;
  projects: GitLabProjects;
  rules: Pick<GitLabRules, 'baseUrl' | 'topic'>;
  /** Groups and projects that there are tokens for; an empty one is all that its token is a member of. */
  paths: readonly string[];
  isCustomers: (known: KnownRepository) => boolean;
  arrive: (arrival: GitLabArrival) => Promise<void>;
  /** How long a project that GitLab doesn't show keeps its functions. */
  graceMs: number;
  logger: Logger;
  now: () => number;
}

const platform = { name: 'Towline', email: '', login: 'towline' };

function arrivalOf(project: ProjectAnswer, kind: GitLabArrival['kind']): GitLabArrival {
  const { id: projectId, path_with_namespace: path, visibility } = project;
  const about = { kind, projectId, path, private: visibility !== 'public', push: null, actor: platform };
  return { id: `survey-${randomUUID()}`, ...about };
}

/**
 * What hooks would have told: GitLab sends none again. Projects that are new here, and those that were archived, moved,
 * opted out or deleted, are told of as if their hook had come.
 */
export function createGitLabSurvey(deps: GitLabSurveyDeps): (signal: AbortSignal) => Promise<void> {
  const { store, projects, rules, logger, now } = deps;

  function kindOf(
    project: ProjectAnswer,
    known: ServedRepository | undefined,
  ): GitLabArrival['kind'] | undefined {
    const repository = gitlabRepository(project, rules);
    if (!known) return repository && deps.isCustomers({ scm: 'gitlab', repository }) ? 'added' : undefined;
    if (!repository) return 'updated';
    return repository.ownerId === known.ownerId ? undefined : 'transferred';
  }

  async function look(project: ProjectAnswer): Promise<void> {
    const known = store.repository('gitlab', project.id);
    if (known && known.removeAt !== null) store.putRepository({ ...known, removeAt: null });
    const kind = kindOf(project, known);
    if (kind !== undefined) await deps.arrive(arrivalOf(project, kind));
  }

  /** Resolves to the ids of those that GitLab showed. */
  async function lookBelow(path: string, signal: AbortSignal): Promise<string[]> {
    const seen: string[] = [];
    for await (const page of projects.below(path, signal)) {
      for (const project of page) {
        await look(project);
        seen.push(project.id);
      }
    }
    return seen;
  }

  async function ask(known: ServedRepository, signal: AbortSignal): Promise<void> {
    const project = await projects.find(known.id, known.path, signal);
    if (project) return look(project);
    if (known.removeAt !== null) return;
    store.putRepository({ ...known, removeAt: now() + deps.graceMs });
    const about = { repository: known.path, graceMs: deps.graceMs };
    logger.warn(about, 'GitLab shows this project no more; what it deployed is removed if that stays so');
  }

  return async (signal) => {
    const seen = new Set<string>();
    async function patiently(path: string, work: () => Promise<void>): Promise<void> {
      try {
        await work();
      } catch (error) {
        signal.throwIfAborted();
        logger.warn(
          { err: error, path },
          'GitLab cannot be asked for projects; the next comparison asks again',
        );
      }
    }
    for (const path of deps.paths) {
      await patiently(path, async () => {
        for (const id of await lookBelow(path, signal)) seen.add(id);
      });
    }
    for (const known of store.repositories()) {
      if (known.scm !== 'gitlab' || seen.has(known.id)) continue;
      await patiently(known.path, () => ask(known, signal));
    }
  };
}
