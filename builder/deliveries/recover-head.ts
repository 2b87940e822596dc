import { delay } from '../../runtime/lifecycle.ts';
import type { CustomerGate } from '../customers/customer-gate.ts';
import type { SourceAccess } from '../source/source-access.ts';
import type { Accept } from './acceptance.ts';
import type { Delivery, DeliveryLog } from './delivery-log.ts';
import { missedPush, type WasSuperseded, whoPushed } from './recover-pushes.ts';

export interface HeadRecoveryDeps {
  deliveries: DeliveryLog;
  sourceAccess: SourceAccess;
  gate: Pick<CustomerGate, 'isCustomers'>;
  accept: Accept;
  wasSuperseded: WasSuperseded;
  /** How long a webhook that is on its way may take. */
  webhookGraceMs: number;
  stopped: AbortSignal;
}

/** Queues the head of a branch of which a push turned out not to be the newest, if no webhook tells of it. */
export async function recoverHead({ event }: Delivery, head: string, deps: HeadRecoveryDeps): Promise<void> {
  const { deliveries, sourceAccess, wasSuperseded, stopped } = deps;
  if (event.type !== 'push' || !deps.gate.isCustomers(event)) return;
  // The head's own webhook is most likely on its way, and knows who pushed.
  await delay(deps.webhookGraceMs, stopped);
  const { repository, scm, ref, installationId } = event;
  const seen = { repository, scm, ref, head, installationId };
  // Looked at twice: finding out who pushed takes its time, and the webhook may come meanwhile.
  if (!(await missedPush(deliveries, seen, wasSuperseded))) return;
  const actor = await whoPushed(sourceAccess, seen, stopped);
  const missed = await missedPush(deliveries, { ...seen, actor }, wasSuperseded);
  if (missed) await deps.accept(missed, 'recovered');
}
