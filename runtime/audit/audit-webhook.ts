import { createHmac } from 'node:crypto';
import { type AuditEvent, auditText } from '../../core/audit.ts';
import type { ReportOutcome } from '../outbox/outbox.ts';
import { outcomeOf } from '../outbox/outcome-of-answer.ts';

export interface AuditWebhookConfig {
  url: string;
  /** Signs what is sent; without it nothing is signed, as for Slack, whose URL is the secret. */
  secret?: string | undefined;
  timeoutMs?: number | undefined;
}

/** `sha256=` and the HMAC-SHA256 of `<timestamp>.<body>`, in hexadecimal. */
function auditSignature(secret: string, timestamp: string, body: string): string {
  return `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;
}

/** Posts an audit event as JSON that Slack's incoming webhooks take (`text`), with every field beside it. */
export async function postAudit(
  config: AuditWebhookConfig,
  event: AuditEvent,
  how: { now: number; signal: AbortSignal },
): Promise<ReportOutcome> {
  const body = JSON.stringify({ text: auditText(event), ...event });
  const timestamp = String(Math.floor(how.now / 1000));
  const { secret } = config;
  const signed =
    secret === undefined
      ? {}
      : {
          'x-towline-timestamp': timestamp,
          'x-towline-signature-256': auditSignature(secret, timestamp, body),
        };
  try {
    const response = await fetch(config.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-towline-event': event.id, ...signed },
      body,
      redirect: 'error',
      signal: AbortSignal.any([how.signal, AbortSignal.timeout(config.timeoutMs ?? 10_000)]),
    });
    await response.body?.cancel();
    if (response.ok) return { type: 'reported' };
    const header = (name: string) => response.headers.get(name) ?? undefined;
    return outcomeOf({ status: response.status, message: 'the receiver of audit events', header }, how.now);
  } catch {
    how.signal.throwIfAborted();
    // The URL may be a secret: what fetch says of it is not told.
    const unknown = { status: undefined, message: 'the receiver of audit events', header: () => undefined };
    return outcomeOf(unknown, how.now);
  }
}
