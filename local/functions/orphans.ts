import { readFile } from 'node:fs/promises';
import { endMarkedProcesses } from '../../runtime/orphans.ts';

/** Every process of a function carries the supervisor's id under this name, and hands it on to what it starts. */
export const markerVariable = 'TOWLINE_SUPERVISOR';

/** Ends what an earlier supervisor that was killed left running: what carries its id, kept in the state folder. */
export async function endOrphans(marker: string): Promise<number> {
  return endMarkedProcesses(markerVariable, marker);
}

/** When a process began, in clock ticks since boot: with its id it names one process for good. `undefined` if it is gone. */
export async function processStart(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    // The program's name, in parentheses, may hold spaces; the start is field 22, the 20th after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
