import { branchOrTag } from '../../core/environments.ts';
import { type GitLabReporterConfig, gitLabKey, isTold, onGitLab } from './gitlab-client.ts';
import type { ReportState } from './status-report.ts';
import type { StatusReporter } from './status-reporter.ts';

/** What is neutral is a success whose text says what it is: a red cross would be wrong, and there is nothing between. */
const states: Record<ReportState, 'pending' | 'running' | 'success' | 'failed' | 'canceled'> = {
  queued: 'pending',
  running: 'running',
  success: 'success',
  neutral: 'success',
  failure: 'failed',
  error: 'failed',
  cancelled: 'canceled',
};

/** Commit statuses: docs.gitlab.com/api/commits, "Set commit pipeline status". */
export function createGitLabStatuses(config: GitLabReporterConfig): StatusReporter {
  return {
    keyOf: (report) => gitLabKey(report, `${report.repository.id}:${report.commit}:${report.context}`),
    report: (report, { signal }) =>
      onGitLab(config, report, signal, async ({ commits }) => {
        const ref = branchOrTag(report.ref)?.name;
        try {
          await commits.editStatus(report.repository.id, report.commit, states[report.state], {
            name: report.context,
            targetUrl: report.logUrl,
            description: report.text,
            ...(ref === undefined ? {} : { ref }),
          });
        } catch (error) {
          if (!isTold(error)) throw error;
        }
      }),
  };
}
