import { TowlineError } from '../../core/errors.ts';
import type { SourceEvent } from '../../core/source-event.ts';
import type { CustomerGate } from '../customers/customer-gate.ts';
import type { ForgeWatch } from '../installations/forge-watch.ts';
import { type GitOpsRepository, unlessOfGitOps } from '../webhooks/gitops-repository.ts';
import type { AppendResult, DeliveryLog, DeliveryOrigin } from './delivery-log.ts';

export interface AcceptanceDeps {
  deliveries: DeliveryLog;
  gate: Pick<CustomerGate, 'admit'>;
  /** Whose a repository is by now, and under which name. */
  names: Pick<ForgeWatch, 'settle' | 'accepted' | 'departed'>;
  gitOps?: GitOpsRepository | undefined;
  /** Something new is on disk. */
  onAccepted: () => void;
  now: () => number;
  stopped: AbortSignal;
}

/**
 * Makes a delivery of an event, on whatever way it came in; on disk when it resolves. What a repository leaves behind
 * under a former name or owner is accepted for removal before it. Throws `unavailable` when the service stops, and as
 * `CustomerGate.admit` and `ForgeWatch.settle` do.
 */
export type Accept = (
  event: SourceEvent,
  origin: DeliveryOrigin,
  isForced?: boolean,
) => Promise<AppendResult>;

export function createAcceptance(deps: AcceptanceDeps): Accept {
  const { deliveries, gate, names, now, stopped } = deps;

  async function append(
    event: SourceEvent,
    origin: DeliveryOrigin,
    isForced: boolean,
  ): Promise<AppendResult> {
    const entry = { event, origin, receivedAt: now(), ...(isForced ? { isForced } : {}) };
    const result = await deliveries.append(entry);
    if (result.type === 'accepted') names.accepted(event);
    return result;
  }

  return async (seen, origin, isForced = false) => {
    if (stopped.aborted) throw new TowlineError('unavailable', 'the build service is stopping');
    const told = unlessOfGitOps(seen, deps.gitOps);
    gate.admit(told, origin);
    // What is built again was settled when it came.
    const settled = origin === 'rebuild' ? { before: [], event: told } : await names.settle(told);
    // Told by a former owner's webhook: what is heard that late is as good as heard already.
    if (!settled) return { type: 'duplicate', id: told.id };
    for (const departure of settled.before) {
      await append(departure, origin, false);
      names.departed(departure);
    }
    const result = await append(settled.event, origin, isForced);
    if (result.type === 'accepted') deps.onAccepted();
    return result;
  };
}
