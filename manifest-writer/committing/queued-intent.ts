import type { WriteOutcome } from '../../core/manifest-writer.ts';
import type { KeptIntent, PushAttempt } from '../intents/intent-log.ts';
import type { PlannedIntent } from '../planning/decision.ts';

/** An accepted intent on its way to its one outcome. */
export interface QueuedIntent {
  kept: KeptIntent;
  planned(): PlannedIntent;
  /** Commits made for it whose push broke off: each may have arrived. */
  attempts: PushAttempt[];
  /** Commits whose push lost its race, says the answer: to be looked for once, since git may have sent it twice. */
  answered: PushAttempt[];
  /** Its batch is on its way, or a commit of it may have arrived: it cannot be taken back. */
  begun: boolean;
  outcome: WriteOutcome | undefined;
}

export interface Settled {
  one: QueuedIntent;
  outcome: WriteOutcome;
}
