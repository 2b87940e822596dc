import { defaultEnvironment } from '../../core/environments.ts';
import { type GitHubCall, type GitHubReporterConfig, gitHubKey, onGitHub } from './github-client.ts';
import type { ReportState, StatusReport } from './status-report.ts';
import type { ReportContext, StatusReporter } from './status-reporter.ts';

/** `inactive`: it never was, or is no more, what runs. */
const states: Record<ReportState, 'queued' | 'in_progress' | 'success' | 'failure' | 'error' | 'inactive'> = {
  queued: 'queued',
  running: 'in_progress',
  success: 'success',
  neutral: 'inactive',
  cancelled: 'inactive',
  failure: 'failure',
  error: 'error',
};

/** As people call it on forges. */
export const environmentName = (environment: string) =>
  environment === defaultEnvironment ? 'production' : environment;

const taskOf = ({ functionName }: StatusReport) => `deploy:${functionName}`;

async function findDeployment({ octokit, repo, signal }: GitHubCall, report: StatusReport): Promise<number> {
  const { data } = await octokit.rest.repos.listDeployments({
    ...repo,
    sha: report.commit,
    task: taskOf(report),
    environment: environmentName(report.environment),
    request: { signal },
  });
  const isIt = (payload: unknown) =>
    typeof payload === 'object' &&
    payload !== null &&
    'deploy' in payload &&
    payload.deploy === report.deployId;
  return data.find(({ payload }) => isIt(payload))?.id ?? 0;
}

async function create({ octokit, repo, signal }: GitHubCall, report: StatusReport): Promise<number> {
  const environment = environmentName(report.environment);
  const { data } = await octokit.rest.repos.createDeployment({
    ...repo,
    ref: report.commit,
    task: taskOf(report),
    environment,
    production_environment: environment === 'production',
    transient_environment: false,
    description: `${report.functionName}`,
    payload: { deploy: report.deployId, function: report.functionName },
    auto_merge: false,
    // Ours is one of them: GitHub would wait for what waits for GitHub.
    required_contexts: [],
    request: { signal },
  });
  return 'id' in data ? data.id : 0;
}

/** The function's deployment before it: GitHub does so by itself only per environment, which functions share. */
async function retire(call: GitHubCall, context: ReportContext, name: string, newest: number): Promise<void> {
  const former = Number(context.shared.get(name) ?? 0);
  if (former !== 0 && former !== newest) {
    await call.octokit.rest.repos.createDeploymentStatus({
      ...call.repo,
      deployment_id: former,
      state: 'inactive',
      request: { signal: call.signal },
    });
  }
  context.shared.set(name, String(newest));
}

async function tell(call: GitHubCall, report: StatusReport, context: ReportContext): Promise<void> {
  const { memory } = context;
  let id = Number(memory.get('deployment') ?? 0);
  if (id === 0 && memory.get('asked') !== undefined) id = await findDeployment(call, report);
  if (id === 0) {
    // What was skipped or superseded before it began is no deployment.
    if (states[report.state] === 'inactive') return;
    memory.set('asked', 'yes');
    id = await create(call, report);
  }
  memory.set('deployment', String(id));
  await call.octokit.rest.repos.createDeploymentStatus({
    ...call.repo,
    deployment_id: id,
    state: states[report.state],
    description: report.text,
    log_url: report.logUrl,
    ...(report.functionUrl === null ? {} : { environment_url: report.functionUrl }),
    auto_inactive: false,
    request: { signal: call.signal },
  });
  if (report.state !== 'success') return;
  const name = `live ${report.repository.id} ${report.environment} ${report.functionName}`;
  await retire(call, context, name, id);
}

/** One deployment per function and deploy, with its URL once it is live. */
export function createGitHubDeployments(config: GitHubReporterConfig): StatusReporter {
  return {
    keyOf: (report) =>
      report.deployId === null || report.state === 'queued'
        ? null
        : gitHubKey(report, `${report.repository.id}:${report.deployId}`),
    report: (report, context) =>
      onGitHub(config, report, { ...context, permissions: { deployments: 'write' } }, (call) =>
        tell(call, report, context),
      ),
  };
}
