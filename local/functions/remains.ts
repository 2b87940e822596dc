import { endMarkedProcesses } from '../../runtime/orphans.ts';

/** Ends what instances have left running: programs that took themselves out of their process group. */
export interface Remains {
  /** Resolves once no process carries this id of an ended instance. */
  end(instanceId: string): Promise<void>;
}

/** Every process of an instance carries the instance's id under this name, and hands it on to what it starts. */
export const instanceVariable = 'TOWLINE_INSTANCE';

/** Looking through all processes takes a while on a busy machine, so one look at a time serves all who wait. */
export function createRemains(
  endMarked: (ids: ReadonlySet<string>) => Promise<unknown> = (ids) =>
    endMarkedProcesses(instanceVariable, ids),
): Remains {
  let waiting = new Set<string>();
  let next: Promise<void> | undefined;
  let last: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    const ids = waiting;
    waiting = new Set();
    next = undefined;
    await endMarked(ids);
  }

  return {
    end(instanceId) {
      waiting.add(instanceId);
      if (next === undefined) {
        next = last.then(look);
        last = next.catch(() => undefined);
      }
      return next;
    },
  };
}
