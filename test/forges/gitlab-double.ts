import { readFileSync } from 'node:fs';
import { type ApiDescription, createApiContract } from './api-description.ts';
import { type ForgeAnswer, type ForgeRequest, type ForgeServer, startForgeServer } from './forge-server.ts';

export interface GitLabProject {
  id: number;
  path: string;
  /** Tokens that may do everything here. */
  tokens: string[];
}

export interface GitLabStatus {
  id: number;
  projectId: number;
  sha: string;
  name: string;
  ref: string | null;
  state: string;
  description: string | null;
  targetUrl: string | null;
  history: string[];
}

export interface GitLabDeployment {
  id: number;
  projectId: number;
  environmentId: number;
  sha: string;
  ref: string;
  status: string;
}

export interface GitLabEnvironment {
  id: number;
  projectId: number;
  name: string;
  externalUrl: string | null;
}

export interface GitLabDouble extends ForgeServer {
  state: {
    projects: GitLabProject[];
    statuses: GitLabStatus[];
    deployments: GitLabDeployment[];
    environments: GitLabEnvironment[];
  };
  /** Requests are answered with 429 until the time (milliseconds) has come. */
  limit(resetAt: number): void;
}

const description = JSON.parse(
  readFileSync(new URL('gitlab-description.json', import.meta.url), 'utf8'),
) as ApiDescription;

/** As GitLab's state machine of jobs: which names it gives the ways, and from where they are open. */
const ways: Record<string, { event: string; from: string[] }> = {
  pending: { event: 'enqueue', from: ['created'] },
  running: { event: 'run', from: ['created', 'pending'] },
  success: { event: 'success', from: ['created', 'pending', 'running'] },
  failed: { event: 'drop', from: ['created', 'pending', 'running'] },
  canceled: { event: 'cancel', from: ['created', 'pending', 'running'] },
};
const open = ['created', 'pending', 'running'];

export async function startGitLabDouble(projects: GitLabProject[]): Promise<GitLabDouble> {
  const state: GitLabDouble['state'] = { projects, statuses: [], deployments: [], environments: [] };
  let nextId = 100;
  const id = () => (nextId += 1);
  let limitedUntil = 0;
  const limited = () => limitedUntil > Date.now();
  const now = new Date().toISOString();

  const environmentBody = ({ id, name, externalUrl }: GitLabEnvironment) => ({
    ...{ id, name, slug: name.toLowerCase().replace(/[^a-z0-9]+/g, '-'), external_url: externalUrl },
  });
  const deploymentBody = (each: GitLabDeployment) => ({
    ...{ id: each.id, iid: each.id, ref: each.ref, sha: each.sha, status: each.status, created_at: now },
    deployable: null,
    environment: environmentBody(state.environments.find(({ id }) => id === each.environmentId)!),
  });

  function setStatus(project: GitLabProject, { parameters, body }: ForgeRequest): ForgeAnswer {
    const name = body.name ?? body.context ?? 'default';
    const sha = parameters['sha'] ?? '';
    // One that has ended stays, and another takes its place.
    let found = state.statuses.find(
      (each) =>
        each.projectId === project.id && each.sha === sha && each.name === name && open.includes(each.state),
    );
    if (!found) {
      found = {
        ...{ id: id(), projectId: project.id, sha, name, ref: null, state: 'created' },
        ...{ description: null, targetUrl: null, history: [] },
      };
      state.statuses.push(found);
    }
    const way = ways[body.state];
    if (!way?.from.includes(found.state)) {
      const why = `Cannot transition status via :${way?.event} from :${found.state} (Reason(s): Status cannot transition via "${way?.event}")`;
      return { status: 400, body: { message: why } };
    }
    found.state = body.state;
    found.history.push(body.state);
    found.ref = body.ref ?? found.ref;
    found.description = body.description ?? found.description;
    found.targetUrl = body.target_url ?? found.targetUrl;
    return {
      status: 201,
      body: {
        ...{ id: found.id, sha, status: found.state, name, ref: found.ref, created_at: now },
        ...{
          target_url: found.targetUrl,
          description: found.description,
          author: { id: 1, username: 'bot' },
        },
      },
    };
  }

  function createDeployment(project: GitLabProject, { body }: ForgeRequest): ForgeAnswer {
    let environment = state.environments.find(
      (each) => each.projectId === project.id && each.name === body.environment,
    );
    if (!environment) {
      environment = { id: id(), projectId: project.id, name: body.environment, externalUrl: null };
      state.environments.push(environment);
    }
    const made = {
      ...{ id: id(), projectId: project.id, environmentId: environment.id },
      ...{ sha: body.sha, ref: body.ref, status: body.status },
    };
    state.deployments.push(made);
    return { status: 201, body: deploymentBody(made) };
  }

  function updateDeployment(project: GitLabProject, { parameters, body }: ForgeRequest): ForgeAnswer {
    const found = state.deployments.find(
      (each) => each.projectId === project.id && each.id === Number(parameters['deployment_id']),
    );
    if (!found) return { status: 404, body: { message: '404 Deployment Not Found' } };
    if (found.status === body.status) {
      const why = `Status cannot transition via "${ways[body.status]?.event}"`;
      return { status: 400, body: { message: `Cannot transition status: ${why}` } };
    }
    found.status = body.status;
    return { status: 200, body: deploymentBody(found) };
  }

  function listDeployments(project: GitLabProject, { url }: ForgeRequest): ForgeAnswer {
    const name = url.searchParams.get('environment');
    const environment = state.environments.find(
      (each) => each.projectId === project.id && each.name === name,
    );
    const found = state.deployments.filter(
      (each) => each.projectId === project.id && (name === null || each.environmentId === environment?.id),
    );
    return { status: 200, body: found.toReversed().map(deploymentBody) };
  }

  function listEnvironments(project: GitLabProject, { url }: ForgeRequest): ForgeAnswer {
    const name = url.searchParams.get('name');
    const found = state.environments.filter(
      (each) => each.projectId === project.id && (name === null || each.name === name),
    );
    return { status: 200, body: found.map(environmentBody) };
  }

  function updateEnvironment(project: GitLabProject, { parameters, body }: ForgeRequest): ForgeAnswer {
    const found = state.environments.find(
      (each) => each.projectId === project.id && each.id === Number(parameters['environment_id']),
    );
    if (!found) return { status: 404, body: { message: '404 Not Found' } };
    found.externalUrl = body.external_url ?? found.externalUrl;
    return { status: 200, body: environmentBody(found) };
  }

  function showProject(project: GitLabProject): ForgeAnswer {
    const [name = ''] = project.path.split('/').slice(-1);
    return {
      status: 200,
      body: {
        ...{
          id: project.id,
          path: name,
          path_with_namespace: project.path,
          default_branch: 'main',
          topics: [],
        },
        ...{
          visibility: 'private',
          namespace: { id: 1, full_path: project.path.split('/').slice(0, -1).join('/') },
        },
      },
    };
  }

  const handlers: Record<string, (project: GitLabProject, request: ForgeRequest) => ForgeAnswer> = {
    'GET /projects/{id}': showProject,
    'POST /projects/{id}/statuses/{sha}': setStatus,
    'GET /projects/{id}/deployments': listDeployments,
    'POST /projects/{id}/deployments': createDeployment,
    'PUT /projects/{id}/deployments/{deployment_id}': updateDeployment,
    'GET /projects/{id}/environments': listEnvironments,
    'PUT /projects/{id}/environments/{environment_id}': updateEnvironment,
  };

  const server = await startForgeServer({
    contract: createApiContract(description),
    prefix: '/api/v4',
    headers: () => ({
      'ratelimit-limit': '600',
      'ratelimit-remaining': limited() ? '0' : '599',
      'ratelimit-reset': String(Math.ceil((limited() ? limitedUntil : Date.now() + 60_000) / 1000)),
    }),
    handle(request) {
      if (limited()) return { status: 429, body: { message: 'Too Many Requests' } };
      const token = String(request.headers['private-token'] ?? '');
      const { id: asked = '' } = request.parameters;
      const project = state.projects.find((each) => String(each.id) === asked || each.path === asked);
      // Who must not see a project is told that there is none.
      if (!project?.tokens.includes(token))
        return { status: 404, body: { message: '404 Project Not Found' } };
      return handlers[request.name]!(project, request);
    },
  });
  return Object.assign(server, {
    state,
    limit(resetAt: number) {
      limitedUntil = resetAt;
    },
  });
}
