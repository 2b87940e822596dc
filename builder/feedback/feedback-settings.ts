import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import type { ConfigOf, Settings } from '../../runtime/config.ts';
import { fileSetting, readSecretFile } from '../../runtime/program/secret-file.ts';
import type { ForgeSettings, Forges } from '../forge-settings.ts';
import { gitlabTokenOf } from '../source/source-access-by-settings.ts';
import type { FeedbackConfig } from './feedback.ts';
import { gitHubReporters } from './github-reporters.ts';
import { createGitLabDeployments } from './status-reporter-gitlab-deployments.ts';
import { createGitLabStatuses } from './status-reporter-gitlab-statuses.ts';

/** What forges, and a receiver of audit events, are told. */
export const feedbackSettings = {
  feedback: {
    env: 'TOWLINE_FEEDBACK',
    schema: z.enum(['checks', 'statuses', 'off']).default('checks'),
    defaultText: '`checks`',
    description:
      "How commits show what becomes of them on GitHub: `checks`, or `statuses` where the App may not write checks; `off`: neither GitHub nor GitLab is told anything. GitLab's tokens need the scope `api` for it.",
  },
  auditWebhook: {
    env: 'TOWLINE_AUDIT_WEBHOOK_FILE',
    schema: fileSetting().optional(),
    defaultText: 'none: the log alone',
    description:
      'File with the URL that audit events are posted to, as JSON that Slack takes: the URL may be a secret. Read at the start.',
  },
  auditSecretFile: {
    env: 'TOWLINE_AUDIT_SECRET_FILE',
    schema: fileSetting().optional(),
    defaultText: 'none: they are not signed',
    description:
      'File with the secret that signs them: `X-Towline-Signature-256` is the HMAC-SHA256 of `X-Towline-Timestamp`, a dot and the body. Read at the start.',
  },
} satisfies Settings;

function auditWebhookOf({
  auditWebhook: urlFile,
  auditSecretFile: secretFile,
}: ConfigOf<typeof feedbackSettings>) {
  if (urlFile === undefined) return undefined;
  const url = readSecretFile(urlFile, 'TOWLINE_AUDIT_WEBHOOK_FILE');
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new TowlineError('config_invalid', 'TOWLINE_AUDIT_WEBHOOK_FILE: the file holds no URL');
  const secret =
    secretFile === undefined ? undefined : readSecretFile(secretFile, 'TOWLINE_AUDIT_SECRET_FILE');
  return { url, secret };
}

/** Reads the files that the settings name. Throws `config_invalid`. */
export function feedbackOf(
  settings: ConfigOf<typeof feedbackSettings> & ForgeSettings & { publicOrigin: string },
  { githubApp, gitlabTokens }: Pick<Forges, 'githubApp' | 'gitlabTokens'>,
): FeedbackConfig {
  const { feedback, gitlabUrl, publicOrigin } = settings;
  const isOn = feedback !== 'off';
  const gitlab = gitlabUrl !== undefined && { baseUrl: gitlabUrl, token: gitlabTokenOf(gitlabTokens) };
  return {
    origin: publicOrigin,
    auditWebhook: auditWebhookOf(settings),
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
