import type { ApiContract } from './api-description.ts';
import type {
  CheckRun,
  CommitStatus,
  Deployment,
  GitHubAccount,
  GitHubInstallation,
  GitHubRepository,
  GitHubToken,
  HookDelivery,
} from './github-state.ts';

type Example = Record<string, unknown>;

/** The state in GitHub's words: the description's own examples, with what is known put in. */
export function createGitHubAnswers(contract: ApiContract, origin: () => string) {
  const exampleOf = (name: string) => contract.example<Example>(name);
  const now = () => new Date().toISOString();

  function account({ id, login, type }: GitHubAccount): Example {
    const example = exampleOf('GET /app/installations/{installation_id}')['account'] as Example;
    // The description asks for an enterprise's fields too where installations are listed.
    const enterprise = { name: login, slug: login.toLowerCase(), created_at: now(), updated_at: now() };
    return { ...example, ...enterprise, id, login, type, url: `${origin()}/users/${login}` };
  }

  function repository(repo: GitHubRepository): Example {
    const path = `${repo.owner.login}/${repo.name}`;
    const {
      template_repository: _,
      parent: __,
      source: ___,
      organization: ____,
      ...example
    } = exampleOf('GET /repos/{owner}/{repo}');
    return {
      ...example,
      language: null,
      id: repo.id,
      name: repo.name,
      full_name: path,
      owner: account(repo.owner),
      private: repo.private,
      archived: repo.archived ?? false,
      default_branch: repo.defaultBranch,
      url: `${origin()}/repos/${path}`,
      clone_url: `https://github.com/${path}.git`,
    };
  }

  function installation(each: GitHubInstallation): Example {
    return {
      ...exampleOf('GET /app/installations/{installation_id}'),
      id: each.id,
      account: account(each.account),
      target_id: each.account.id,
      target_type: each.account.type,
      permissions: each.permissions,
      suspended_at: each.suspendedAt,
      access_tokens_url: `${origin()}/app/installations/${each.id}/access_tokens`,
    };
  }

  function token(each: GitHubToken): Example {
    return {
      token: each.token,
      expires_at: new Date(each.expiresAt).toISOString(),
      permissions: each.permissions,
      repository_selection: each.repositoryIds ? 'selected' : 'all',
    };
  }

  function checkRun(run: CheckRun): Example {
    const { title, summary, text } = run.output;
    return {
      ...exampleOf('GET /repos/{owner}/{repo}/check-runs/{check_run_id}'),
      id: run.id,
      name: run.name,
      head_sha: run.headSha,
      external_id: run.externalId,
      details_url: run.detailsUrl,
      status: run.status,
      conclusion: run.conclusion,
      started_at: run.startedAt,
      completed_at: run.completedAt,
      output: {
        title: title ?? null,
        summary: summary ?? null,
        text: text ?? null,
        annotations_count: run.annotations.length,
        annotations_url: `${origin()}/check-runs/${run.id}/annotations`,
      },
      pull_requests: [],
    };
  }

  function status(each: CommitStatus): Example {
    return {
      ...exampleOf('POST /repos/{owner}/{repo}/statuses/{sha}'),
      id: each.id,
      state: each.state,
      context: each.context,
      description: each.description,
      target_url: each.targetUrl,
      created_at: now(),
      updated_at: now(),
    };
  }

  function deployment(each: Deployment): Example {
    return {
      ...exampleOf('POST /repos/{owner}/{repo}/deployments'),
      id: each.id,
      sha: each.sha,
      ref: each.ref,
      task: each.task,
      environment: each.environment,
      original_environment: each.environment,
      production_environment: each.productionEnvironment,
      payload: each.payload ?? {},
    };
  }

  function deploymentStatus(each: Deployment['statuses'][number], environment: string): Example {
    return {
      ...exampleOf('POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses'),
      id: each.id,
      state: each.state,
      environment,
      description: each.description,
      environment_url: each.environmentUrl,
      log_url: each.logUrl,
      target_url: each.logUrl,
    };
  }

  function deliveryItem(each: HookDelivery): Example {
    return {
      id: each.id,
      guid: each.guid,
      delivered_at: each.deliveredAt,
      redelivery: each.redelivery,
      duration: 0.05,
      status: each.status,
      status_code: each.statusCode,
      event: each.event,
      action: each.action,
      installation_id: each.installationId,
      repository_id: each.repositoryId,
      throttled_at: null,
    };
  }

  function delivery(each: HookDelivery): Example {
    return {
      ...exampleOf('GET /app/hook/deliveries/{delivery_id}'),
      ...deliveryItem(each),
      request: {
        headers: { 'X-GitHub-Event': each.event, 'X-GitHub-Delivery': each.guid },
        payload: each.payload,
      },
      response: { headers: {}, payload: null },
    };
  }

  return {
    repository,
    installation,
    token,
    checkRun,
    status,
    deployment,
    deploymentStatus,
    deliveryItem,
    delivery,
  };
}
