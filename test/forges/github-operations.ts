import type { ForgeAnswer, ForgeRequest } from './forge-server.ts';
import type { createGitHubAnswers } from './github-answers.ts';
import type { CheckRun, GitHubRepository, GitHubState } from './github-state.ts';

export type Handler = (request: ForgeRequest) => ForgeAnswer | Promise<ForgeAnswer>;

export const notFound: ForgeAnswer = {
  status: 404,
  body: { message: 'Not Found', documentation_url: 'about:blank' },
};

interface OperationsDeps {
  state: GitHubState;
  answers: ReturnType<typeof createGitHubAnswers>;
  appId: number;
  /** A new one. */
  id(): number;
  origin(): string;
  /** With the rights that GitHub asks for; `act` gets the repository. */
  onRepository(act: (repo: GitHubRepository, request: ForgeRequest) => ForgeAnswer): Handler;
}

/** What an installation's token may do with one repository. */
export function repositoryOperations(deps: OperationsDeps): Record<string, Handler> {
  const { state, answers, appId, id, origin, onRepository } = deps;

  function applyOutput(run: CheckRun, body: ForgeRequest['body']): void {
    run.status = body.status ?? run.status;
    if (body.conclusion) run.status = 'completed';
    run.conclusion = run.status === 'completed' ? (body.conclusion ?? run.conclusion) : null;
    run.detailsUrl = body.details_url ?? run.detailsUrl;
    run.externalId = body.external_id ?? run.externalId;
    run.startedAt = body.started_at ?? run.startedAt;
    run.completedAt = run.status === 'completed' ? (body.completed_at ?? new Date().toISOString()) : null;
    run.output = { ...run.output, ...body.output };
    run.annotations.push(...(body.output?.annotations ?? []));
    run.history.push(run.conclusion ?? run.status);
  }

  function runOf(repo: GitHubRepository, parameters: Record<string, string>): CheckRun | undefined {
    return state.checkRuns.find(
      (run) => run.repositoryId === repo.id && run.id === Number(parameters['check_run_id']),
    );
  }

  return {
    'GET /repos/{owner}/{repo}': onRepository((repo) => ({ status: 200, body: answers.repository(repo) })),
    'GET /repos/{owner}/{repo}/branches': onRepository((repo) => ({
      status: 200,
      body: Object.entries(repo.branches).map(([name, sha]) => ({
        name,
        commit: { sha, url: `${origin()}/commits/${sha}` },
        protected: false,
      })),
    })),
    'POST /repos/{owner}/{repo}/check-runs': onRepository((repo, { body }) => {
      const run: CheckRun = {
        id: id(),
        repositoryId: repo.id,
        name: body.name,
        headSha: body.head_sha,
        status: 'queued',
        conclusion: null,
        detailsUrl: null,
        externalId: '',
        startedAt: null,
        completedAt: null,
        output: {},
        annotations: [],
        history: [],
      };
      applyOutput(run, body);
      state.checkRuns.push(run);
      return { status: 201, body: answers.checkRun(run) };
    }),
    'GET /repos/{owner}/{repo}/check-runs/{check_run_id}': onRepository((repo, { parameters }) => {
      const run = runOf(repo, parameters);
      return run ? { status: 200, body: answers.checkRun(run) } : notFound;
    }),
    'PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}': onRepository((repo, { parameters, body }) => {
      const run = runOf(repo, parameters);
      if (!run) return notFound;
      applyOutput(run, body);
      return { status: 200, body: answers.checkRun(run) };
    }),
    'GET /repos/{owner}/{repo}/commits/{ref}/check-runs': onRepository((repo, { parameters, url }) => {
      const name = url.searchParams.get('check_name');
      const asked = url.searchParams.get('app_id');
      const runs = state.checkRuns.filter(
        (run) =>
          run.repositoryId === repo.id &&
          run.headSha === parameters['ref'] &&
          (name === null || run.name === name) &&
          (asked === null || Number(asked) === appId),
      );
      return { status: 200, body: { total_count: runs.length, check_runs: runs.map(answers.checkRun) } };
    }),
    'POST /repos/{owner}/{repo}/statuses/{sha}': onRepository((repo, { parameters, body }) => {
      const status = {
        id: id(),
        repositoryId: repo.id,
        sha: parameters['sha'] ?? '',
        state: body.state,
        context: body.context ?? 'default',
        description: body.description ?? null,
        targetUrl: body.target_url ?? null,
      };
      if ((status.description ?? '').length > 140)
        return { status: 422, body: { message: 'description is too long (maximum is 140 characters)' } };
      state.statuses.push(status);
      return { status: 201, body: answers.status(status) };
    }),
    'GET /repos/{owner}/{repo}/commits/{ref}/statuses': onRepository((repo, { parameters }) => ({
      status: 200,
      body: state.statuses
        .filter((each) => each.repositoryId === repo.id && each.sha === parameters['ref'])
        .reverse()
        .map(answers.status),
    })),
    'POST /repos/{owner}/{repo}/deployments': onRepository((repo, { body }) => {
      // Without an empty list GitHub refuses, since our own check of the same commit has not succeeded yet.
      if (body.required_contexts?.length !== 0)
        return { status: 409, body: { message: 'Conflict: Commit status checks failed' } };
      const deployment = {
        id: id(),
        repositoryId: repo.id,
        sha: body.ref,
        ref: body.ref,
        task: body.task ?? 'deploy',
        environment: body.environment ?? 'production',
        productionEnvironment: body.production_environment ?? body.environment === 'production',
        payload: body.payload,
        statuses: [],
      };
      state.deployments.push(deployment);
      return { status: 201, body: answers.deployment(deployment) };
    }),
    'GET /repos/{owner}/{repo}/deployments': onRepository((repo, { url }) => {
      const matches = (key: string, value: string) => (url.searchParams.get(key) ?? value) === value;
      const found = state.deployments.filter(
        (each) =>
          each.repositoryId === repo.id &&
          matches('sha', each.sha) &&
          matches('environment', each.environment) &&
          matches('task', each.task),
      );
      return { status: 200, body: found.reverse().map(answers.deployment) };
    }),
    'POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses': onRepository(
      (repo, { parameters, body }) => {
        const found = state.deployments.find(
          (each) => each.repositoryId === repo.id && each.id === Number(parameters['deployment_id']),
        );
        if (!found) return notFound;
        const status = {
          id: id(),
          state: body.state,
          environmentUrl: body.environment_url ?? '',
          logUrl: body.log_url ?? '',
          description: body.description ?? '',
        };
        if (status.description.length > 140)
          return { status: 422, body: { message: 'description is too long' } };
        found.statuses.push(status);
        return { status: 201, body: answers.deploymentStatus(status, found.environment) };
      },
    ),
  };
}
