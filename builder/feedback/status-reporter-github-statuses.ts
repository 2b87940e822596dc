import { type GitHubReporterConfig, gitHubKey, onGitHub } from './github-client.ts';
import type { ReportState } from './status-report.ts';
import type { StatusReporter } from './status-reporter.ts';

/** There is no neutral state: what was not to be deployed is no failure, and its text says what it is. */
const states: Record<ReportState, 'pending' | 'success' | 'failure' | 'error'> = {
  queued: 'pending',
  running: 'pending',
  success: 'success',
  neutral: 'success',
  failure: 'failure',
  cancelled: 'error',
  error: 'error',
};

/** For installations whose App may not write checks. */
export function createGitHubStatuses(config: GitHubReporterConfig): StatusReporter {
  return {
    keyOf: (report) => gitHubKey(report, `${report.repository.id}:${report.commit}:${report.context}`),
    report: (report, context) =>
      onGitHub(
        config,
        report,
        { ...context, permissions: { statuses: 'write' } },
        async ({ octokit, repo, signal }) => {
          await octokit.rest.repos.createCommitStatus({
            ...repo,
            sha: report.commit,
            state: states[report.state],
            context: report.context,
            description: report.text,
            target_url: report.logUrl,
            request: { signal },
          });
        },
      ),
  };
}
