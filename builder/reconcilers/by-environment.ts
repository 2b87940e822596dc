import { defaultEnvironment } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import type { Reconciler } from '../../core/reconciler.ts';

/** Each environment's own reconciler; a nudge is for all of them, because they follow one branch. */
export function reconcilerByEnvironment(reconcilers: ReadonlyMap<string, Reconciler>): Reconciler {
  return {
    nudge() {
      for (const one of reconcilers.values()) one.nudge();
    },
    async follow(target, ...more) {
      const { environment = defaultEnvironment } = target;
      const reconciler = reconcilers.get(environment);
      if (reconciler) return reconciler.follow(target, ...more);
      throw new TowlineError('not_found', `there is no environment "${environment}" here any more`);
    },
  };
}
