import { readdir, readFile } from 'node:fs/promises';
import { delay } from '../../runtime/lifecycle.ts';

/** Every process of a function carries the supervisor's id under this name, and hands it on to what it starts. */
export const markerVariable = 'TOWLINE_SUPERVISOR';

const maxRounds = 50;
const roundMs = 10;

/**
 * Ends what an earlier supervisor that was killed left running. A process is ours only if its environment carries
 * the random id kept in the state folder, so a reused process id never hits a stranger. Without `/proc` it does nothing.
 */
export async function endOrphans(marker: string): Promise<number> {
  const ended = new Set<number>();
  for (let round = 0; round < maxRounds; round++) {
    const found = await markedProcesses(marker);
    if (found.length === 0) break;
    for (const pid of found) {
      ended.add(pid);
      endProcess(pid);
    }
    await delay(roundMs);
  }
  return ended.size;
}

async function markedProcesses(marker: string): Promise<number[]> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const marked = await Promise.all(
    pids.map(async (pid) => ((await isMarked(pid, marker)) ? pid : undefined)),
  );
  return marked.filter((pid) => pid !== undefined && pid !== process.pid) as number[];
}

async function isMarked(pid: number, marker: string): Promise<boolean> {
  try {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1');
    return environment.split('\0').includes(`${markerVariable}=${marker}`);
  } catch {
    // Ended meanwhile, or another user's: not ours.
    return false;
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
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
