import type { GitHubReporterConfig } from './github-client.ts';
import type { StatusReporter } from './status-reporter.ts';
import { createGitHubChecks } from './status-reporter-github-checks.ts';
import { createGitHubDeployments } from './status-reporter-github-deployments.ts';
import { createGitHubStatuses } from './status-reporter-github-statuses.ts';

/** All that GitHub is told: checks, or commit statuses in their place, and deployments. */
export function gitHubReporters(
  config: GitHubReporterConfig,
  { commitStatuses }: { commitStatuses: boolean },
): Record<string, StatusReporter> {
  return {
    ...(commitStatuses
      ? { 'github-statuses': createGitHubStatuses(config) }
      : { 'github-checks': createGitHubChecks(config) }),
    'github-deployments': createGitHubDeployments(config),
  };
}
