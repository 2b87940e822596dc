import type { DeployCause } from '../../core/deploy.ts';
import type { DesiredFunction } from './desired-function.ts';
import type { Runner } from './runner.ts';

/** What one function consists of at one moment: the entry in the catalog is computed from it. */
export interface FunctionState {
  readonly owner: string;
  readonly functionName: string;
  desired: DesiredFunction | undefined;
  /** Why what the repository asks for cannot even be tried. */
  problem: DeployCause | undefined;
  /** Serves, or did before it crashed. */
  current: Runner | undefined;
  /** Is to replace `current` once it is healthy. */
  candidate: Runner | undefined;
  /** The version to wake; kept until it serves again. */
  asleep: DesiredFunction | undefined;
  isDeleting: boolean;
  ownerId: string;
}
