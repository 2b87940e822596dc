import { readFile } from 'node:fs/promises';
import { endMarkedProcesses } from '../../runtime/orphans.ts';

/** Zombie and dead: such a process holds nothing any more. */
const endedStates: ReadonlySet<string | undefined> = new Set(['Z', 'X', 'x']);

/** Every process of a function carries the supervisor's id under this name, and hands it on to what it starts. */
export const markerVariable = 'TOWLINE_SUPERVISOR';

/** Ends what an earlier supervisor that was killed left running: what carries its id, kept in the state folder. */
export async function endOrphans(marker: string): Promise<number> {
  return endMarkedProcesses(markerVariable, marker);
}

/**
 * When a process began, in clock ticks since boot: with its id it names one process for good. `undefined` if it is gone,
 * also while whoever started it has not yet asked how it ended.
 */
export async function processStart(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    // The program's name, in parentheses, may hold spaces; the state is field 3, the first after it, the start field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return endedStates.has(fields[0]) ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
