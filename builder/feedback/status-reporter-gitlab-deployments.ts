import { branchOrTag, defaultEnvironment } from '../../core/environments.ts';
import { type GitLabApi, type GitLabReporterConfig, gitLabKey, isTold, onGitLab } from './gitlab-client.ts';
import type { ReportState, StatusReport } from './status-report.ts';
import type { ReportContext, StatusReporter } from './status-reporter.ts';

const states: Record<ReportState, 'running' | 'success' | 'failed' | 'canceled'> = {
  queued: 'running',
  running: 'running',
  success: 'success',
  failure: 'failed',
  error: 'failed',
  neutral: 'canceled',
  cancelled: 'canceled',
};

/** One per function: an environment of GitLab has one URL. The slash makes GitLab show them in one folder. */
const environmentOf = ({ environment, functionName }: StatusReport) =>
  `${environment === defaultEnvironment ? 'production' : environment}/${functionName}`;

async function find({ deployments }: GitLabApi, report: StatusReport): Promise<number> {
  const found = await deployments.all(report.repository.id, {
    environment: environmentOf(report),
    orderBy: 'id',
    sort: 'desc',
    perPage: 20,
    maxPages: 1,
  });
  return (
    found.find(({ sha, status }) => sha === report.commit && ['created', 'running'].includes(status))?.id ?? 0
  );
}

async function open(api: GitLabApi, report: StatusReport, context: ReportContext): Promise<number> {
  const { memory } = context;
  if (memory.get('asked') !== undefined) {
    const found = await find(api, report);
    if (found !== 0) return found;
  }
  memory.set('asked', 'yes');
  const target = branchOrTag(report.ref);
  const made = await api.deployments.create(
    report.repository.id,
    environmentOf(report),
    report.commit,
    target?.name ?? report.ref,
    target?.kind === 'tag',
    { status: 'running' },
  );
  memory.set('environment', String(made.environment.id));
  return made.id;
}

async function setUrl(api: GitLabApi, report: StatusReport, context: ReportContext): Promise<void> {
  const { memory } = context;
  let id = Number(memory.get('environment') ?? 0);
  if (id === 0) {
    const name = environmentOf(report);
    const found = await api.environments.all(report.repository.id, { name });
    id = found.find((each) => each.name === name)?.id ?? 0;
  }
  if (id !== 0 && report.functionUrl !== null)
    await api.environments.edit(report.repository.id, id, { externalUrl: report.functionUrl });
}

async function tell(api: GitLabApi, report: StatusReport, context: ReportContext): Promise<void> {
  const state = states[report.state];
  let id = Number(context.memory.get('deployment') ?? 0);
  // What was skipped or superseded before it began is no deployment.
  if (id === 0 && state === 'canceled' && context.memory.get('asked') === undefined) return;
  if (id === 0) {
    id = await open(api, report, context);
    context.memory.set('deployment', String(id));
  }
  if (state === 'running') return;
  if (state === 'success') await setUrl(api, report, context);
  try {
    await api.deployments.edit(report.repository.id, id, state);
  } catch (error) {
    if (!isTold(error)) throw error;
  }
}

/** Deployments and environments: docs.gitlab.com/api/deployments and docs.gitlab.com/api/environments. */
export function createGitLabDeployments(config: GitLabReporterConfig): StatusReporter {
  return {
    keyOf: (report) =>
      report.deployId === null || report.state === 'queued'
        ? null
        : gitLabKey(report, `${report.repository.id}:${report.deployId}`),
    report: (report, context) =>
      onGitLab(config, report, context.signal, (api) => tell(api, report, context)),
  };
}
