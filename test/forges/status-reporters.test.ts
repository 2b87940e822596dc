import type { GitHubReporterConfig } from '../../builder/feedback/github-client.ts';
import type { GitLabReporterConfig } from '../../builder/feedback/gitlab-client.ts';
import type { ReporterSubject } from '../../builder/feedback/status-reporter.contract.ts';
import { describeStatusReporter } from '../../builder/feedback/status-reporter.contract.ts';
import type { StatusReporter } from '../../builder/feedback/status-reporter.ts';
import { createGitHubChecks } from '../../builder/feedback/status-reporter-github-checks.ts';
import { createGitHubDeployments } from '../../builder/feedback/status-reporter-github-deployments.ts';
import { createGitHubStatuses } from '../../builder/feedback/status-reporter-github-statuses.ts';
import { createGitLabDeployments } from '../../builder/feedback/status-reporter-gitlab-deployments.ts';
import { createGitLabStatuses } from '../../builder/feedback/status-reporter-gitlab-statuses.ts';
import { createGitHubApp } from '../../builder/index.ts';
import { type GitHubDouble, startGitHubDouble } from './github-double.ts';
import { type GitLabDouble, startGitLabDouble } from './gitlab-double.ts';

type Shown = ReturnType<ReporterSubject['shown']>;

const words: Record<string, 'running' | 'success' | 'failure'> = {
  in_progress: 'running',
  pending: 'running',
  running: 'running',
  success: 'success',
  failure: 'failure',
  failed: 'failure',
};
const shownAs = (state: string | undefined, url: string | null = null): Shown =>
  state === undefined || words[state] === undefined ? undefined : { state: words[state], url };

function describeOnGitHub(
  name: string,
  make: (config: GitHubReporterConfig) => StatusReporter,
  look: { shown(github: GitHubDouble): Shown; made(github: GitHubDouble): number; makes: string },
): void {
  describeStatusReporter(name, async () => {
    const github = await startGitHubDouble();
    const installation = github.install({ login: 'Acme' }, [{ name: 'shop' }]);
    const app = createGitHubApp({
      appId: String(github.app.id),
      privateKey: github.app.privateKey,
      apiUrl: github.origin,
    });
    return {
      reporter: make({ app }),
      report: {
        scm: 'github',
        repository: { id: String(github.repository('Acme/shop').id), path: 'acme/shop' },
        installationId: String(installation.id),
      },
      shown: () => look.shown(github),
      made: () => look.made(github),
      losesNextAnswer() {
        github.faults.losesNextAnswer = ({ name }) => name === look.makes;
      },
      away(isAway) {
        github.faults.away = isAway;
      },
      limit: (resetAt) => github.limitPrimary(resetAt),
      forbid() {
        installation.permissions = { metadata: 'read' };
      },
      [Symbol.asyncDispose]: () => github[Symbol.asyncDispose](),
    };
  });
}

describeOnGitHub('GitHub checks', createGitHubChecks, {
  shown: ({ state }) => shownAs(state.checkRuns.at(-1)?.history.at(-1)),
  made: ({ state }) => state.checkRuns.length,
  makes: 'POST /repos/{owner}/{repo}/check-runs',
});

describeOnGitHub('GitHub commit statuses', createGitHubStatuses, {
  shown: ({ state }) => shownAs(state.statuses.at(-1)?.state),
  // Another status of a context replaces the one before.
  made: ({ state }) => new Set(state.statuses.map(({ context }) => context)).size,
  makes: 'POST /repos/{owner}/{repo}/statuses/{sha}',
});

describeOnGitHub('GitHub deployments', createGitHubDeployments, {
  shown({ state }) {
    const last = state.deployments.at(-1)?.statuses.at(-1);
    return shownAs(last?.state, last?.environmentUrl ?? null);
  },
  made: ({ state }) => state.deployments.length,
  makes: 'POST /repos/{owner}/{repo}/deployments',
});

function describeOnGitLab(
  name: string,
  make: (config: GitLabReporterConfig) => StatusReporter,
  look: { shown(gitlab: GitLabDouble): Shown; made(gitlab: GitLabDouble): number; makes: string },
): void {
  describeStatusReporter(name, async () => {
    const project = { id: 42, path: 'acme/team/shop', tokens: ['glpat-1'] };
    const gitlab = await startGitLabDouble([project]);
    return {
      reporter: make({ baseUrl: gitlab.origin, token: async () => 'glpat-1' }),
      report: { scm: 'gitlab', repository: { id: '42', path: project.path } },
      shown: () => look.shown(gitlab),
      made: () => look.made(gitlab),
      losesNextAnswer() {
        gitlab.faults.losesNextAnswer = ({ name }) => name === look.makes;
      },
      away(isAway) {
        gitlab.faults.away = isAway;
      },
      limit: (resetAt) => gitlab.limit(resetAt),
      forbid() {
        project.tokens = [];
      },
      [Symbol.asyncDispose]: () => gitlab[Symbol.asyncDispose](),
    };
  });
}

describeOnGitLab('GitLab commit statuses', createGitLabStatuses, {
  shown: ({ state }) => shownAs(state.statuses.findLast(({ name }) => name === 'towline/hello')?.state),
  made: ({ state }) => state.statuses.filter(({ state }) => state !== 'created').length,
  makes: 'POST /projects/{id}/statuses/{sha}',
});

describeOnGitLab('GitLab deployments', createGitLabDeployments, {
  shown({ state }) {
    const last = state.deployments.at(-1);
    const environment = state.environments.find(({ id }) => id === last?.environmentId);
    return shownAs(last?.status, environment?.externalUrl ?? null);
  },
  made: ({ state }) => state.deployments.length,
  makes: 'POST /projects/{id}/deployments',
});
