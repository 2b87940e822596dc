import { z } from 'zod';
import type { ConfigOf, Settings } from '../../runtime/config.ts';
import type { ForgeSettings, Forges } from '../forge-settings.ts';
import { gitlabTokenOf } from '../source/source-access-by-settings.ts';
import type { FeedbackConfig } from './feedback.ts';
import { gitHubReporters } from './github-reporters.ts';
import { createGitLabDeployments } from './status-reporter-gitlab-deployments.ts';
import { createGitLabStatuses } from './status-reporter-gitlab-statuses.ts';

/** What forges are told. */
export const feedbackSettings = {
  feedback: {
    env: 'TOWLINE_FEEDBACK',
    schema: z.enum(['checks', 'statuses', 'off']).default('checks'),
    defaultText: '`checks`',
    description:
      "How commits show what becomes of them on GitHub: `checks`, or `statuses` where the App may not write checks; `off`: neither GitHub nor GitLab is told anything. GitLab's tokens need the scope `api` for it.",
  },
} satisfies Settings;

export function feedbackOf(
  settings: ConfigOf<typeof feedbackSettings> & ForgeSettings & { publicOrigin: string },
  { githubApp, gitlabTokens }: Pick<Forges, 'githubApp' | 'gitlabTokens'>,
): FeedbackConfig {
  const { feedback, gitlabUrl, publicOrigin } = settings;
  const isOn = feedback !== 'off';
  const gitlab = gitlabUrl !== undefined && { baseUrl: gitlabUrl, token: gitlabTokenOf(gitlabTokens) };
  return {
    origin: publicOrigin,
    reporters: {
      ...(githubApp && isOn
        ? gitHubReporters({ app: githubApp }, { commitStatuses: feedback === 'statuses' })
        : {}),
      ...(gitlab && isOn
        ? {
            'gitlab-statuses': createGitLabStatuses(gitlab),
            'gitlab-deployments': createGitLabDeployments(gitlab),
          }
        : {}),
    },
  };
}
