import type { ErrorCode } from '../../core/errors.ts';
import type { WriteOutcome, WrittenFunction } from '../../core/manifest-writer.ts';
import type { Environments } from '../environments/environments.ts';
import type { WaitingStore } from '../holding/waiting-store.ts';
import type { Policy } from '../policy/policy.ts';
import type { Provisioning } from '../provisioning/provisioning.ts';
import type { Target } from '../render/target.ts';
import type { NewCommit, Signature } from '../repository/manifest-repository.ts';
import type { SecretRules } from '../secrets/secret-rules.ts';
import type { BranchView } from './branch-view.ts';

/** What one intent means on one head. */
export type Decision =
  | {
      type: 'commit';
      commit: NewCommit;
      written: WrittenFunction[];
      /** What it needs, in a commit of its own before it and in the same push. */
      first?: NewCommit | undefined;
    }
  | { type: 'outcome'; outcome: WriteOutcome }
  /** It depends on a commit of the same batch that has no id yet: decide it again once that one is pushed. */
  | { type: 'later' };

/** One intent, made ready: all checks that don't depend on the branch are done. */
export interface PlannedIntent {
  /** Files whose history the decision needs. */
  paths: readonly string[];
  decide(view: BranchView): Promise<Decision>;
}

export interface PlanningContext {
  committer: Signature;
  namespace: string;
  /** The kind of objects that functions become; `openfaas` if it isn't given. */
  target?: Target | undefined;
  /** Everything is allowed that is safe, if it isn't given. */
  policy?: Policy | undefined;
  /** Of `secrets.yml`; all kinds that are encrypted are taken, if it isn't given. */
  secrets?: SecretRules | undefined;
  /** Only the default one, if it isn't given. */
  environments?: Environments | undefined;
  /** Who sets up tenants; nobody has to, if it isn't given. */
  provisioning?: Provisioning | undefined;
  /** What waits for a person; without it deploys of held functions are not kept, and large removals go at once. */
  waiting?: WaitingStore | undefined;
  /** Milliseconds since the epoch. */
  now(): number;
}

export function outcome(value: WriteOutcome): Decision {
  return { type: 'outcome', outcome: value };
}

/** A plan that is refused whatever the branch says. */
export function refusedPlan(code: ErrorCode, message: string): PlannedIntent {
  return { paths: [], decide: async () => refused(code, message) };
}

export function refused(code: ErrorCode, message: string): Decision {
  return outcome({ type: 'refused', code, message });
}
