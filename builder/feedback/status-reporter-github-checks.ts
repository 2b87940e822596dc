import { type GitHubCall, type GitHubReporterConfig, gitHubKey, onGitHub } from './github-client.ts';
import { logText } from './report-text.ts';
import { isFinal, type ReportState, type StatusReport } from './status-report.ts';
import type { ReportContext, StatusReporter } from './status-reporter.ts';

const conclusions: Partial<Record<ReportState, 'success' | 'failure' | 'neutral' | 'cancelled'>> = {
  success: 'success',
  failure: 'failure',
  error: 'failure',
  neutral: 'neutral',
  cancelled: 'cancelled',
};

/** What GitHub takes for a check's summary and its text, in characters. */
const maxOutput = 65_535;

interface Run {
  id: number;
  /** What tells one push from another of the same commit. */
  externalId: string;
}

async function outputOf(report: StatusReport, context: ReportContext, isAnnotated: boolean) {
  const lines = isFinal(report) ? await context.logLines() : [];
  const text = logText(lines);
  const notice =
    report.state === 'error'
      ? '\n\nThis is no fault of your sources: the platform has to be looked after.'
      : '';
  return {
    title: report.text,
    summary: `${report.summary}${notice}`.slice(0, maxOutput),
    ...(text === '' ? {} : { text }),
    ...(report.annotations.length === 0 || isAnnotated || !isFinal(report)
      ? {}
      : {
          annotations: report.annotations.map(({ path, line, level, message }) => ({
            path,
            start_line: line,
            end_line: line,
            annotation_level: level,
            message,
          })),
        }),
  };
}

/** The run of a request whose answer was lost. */
async function findRun(
  { octokit, repo, signal }: GitHubCall,
  report: StatusReport,
): Promise<Run | undefined> {
  const { data } = await octokit.rest.checks.listForRef({
    ...repo,
    ref: report.commit,
    check_name: report.context,
    filter: 'all',
    per_page: 100,
    request: { signal },
  });
  const found = data.check_runs.find((run) => run.external_id === report.pushId);
  return found && { id: found.id, externalId: found.external_id ?? '' };
}

async function tell(call: GitHubCall, report: StatusReport, context: ReportContext): Promise<void> {
  const { memory } = context;
  const { octokit, repo, signal } = call;
  const isAnnotated = memory.get('annotated') !== undefined;
  const conclusion = conclusions[report.state];
  const state = {
    details_url: report.logUrl,
    external_id: report.pushId,
    started_at: new Date(report.startedAt).toISOString(),
    output: await outputOf(report, context, isAnnotated),
    ...(conclusion === undefined
      ? { status: report.state === 'queued' ? ('queued' as const) : ('in_progress' as const) }
      : {
          status: 'completed' as const,
          conclusion,
          completed_at: new Date(report.endedAt ?? report.startedAt).toISOString(),
        }),
    request: { signal },
  };
  let runId = Number(memory.get('run') ?? 0);
  if (runId === 0 && memory.get('asked') !== undefined) runId = (await findRun(call, report))?.id ?? 0;
  if (runId === 0) {
    // Before the request: if its answer never comes, the run is looked for instead of made twice.
    memory.set('asked', 'yes');
    const made = await octokit.rest.checks.create({
      ...repo,
      ...state,
      name: report.context,
      head_sha: report.commit,
    });
    runId = made.data.id;
  } else {
    await octokit.rest.checks.update({ ...repo, ...state, check_run_id: runId });
  }
  memory.set('run', String(runId));
  if (state.output.annotations) memory.set('annotated', 'yes');
}

/** One check run per push and context, made once and then updated. Built again, the same commit gets runs of their own. */
export function createGitHubChecks(config: GitHubReporterConfig): StatusReporter {
  return {
    keyOf: (report) => gitHubKey(report, `${report.repository.id}:${report.pushId}:${report.context}`),
    report: (report, context) =>
      onGitHub(config, report, { ...context, permissions: { checks: 'write' } }, (call) =>
        tell(call, report, context),
      ),
  };
}
