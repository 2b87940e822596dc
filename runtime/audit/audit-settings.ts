import { TowlineError } from '../../core/errors.ts';
import type { ConfigOf, Settings } from '../config.ts';
import { fileSetting, readSecretFile } from '../program/secret-file.ts';
import type { AuditWebhookConfig } from './audit-webhook.ts';

/** Who is told what people did, besides the log: the same for every program that keeps an audit trail. */
export const auditSettings = {
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

/** Reads the files that the settings name. Throws `config_invalid`. */
export function auditWebhookOf({
  auditWebhook: urlFile,
  auditSecretFile: secretFile,
}: ConfigOf<typeof auditSettings>): AuditWebhookConfig | undefined {
  if (urlFile === undefined) return undefined;
  const url = readSecretFile(urlFile, auditSettings.auditWebhook.env);
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new TowlineError('config_invalid', 'TOWLINE_AUDIT_WEBHOOK_FILE: the file holds no URL');
  const secret =
    secretFile === undefined ? undefined : readSecretFile(secretFile, auditSettings.auditSecretFile.env);
  return { url, secret };
}
