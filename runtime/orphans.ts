import { readdir, readFile } from 'node:fs/promises';
import { delay } from './lifecycle.ts';

const maxRounds = 50;
const roundMs = 10;

/**
 * Ends what an earlier run that was killed left running: every process whose environment has `variable=value`, a
 * random id kept on the disk, so that a reused process id never hits a stranger. Without `/proc` it does nothing.
 */
export async function endMarkedProcesses(
  variable: string,
  value: string | ReadonlySet<string>,
): Promise<number> {
  const values = typeof value === 'string' ? [value] : [...value];
  const marks = new Set(values.map((one) => `${variable}=${one}`));
  const ended = new Set<number>();
  for (let round = 0; round < maxRounds; round++) {
    const found = await markedProcesses(marks);
    if (found.length === 0) break;
    for (const pid of found) {
      ended.add(pid);
      endProcess(pid);
    }
    await delay(roundMs);
  }
  return ended.size;
}

async function markedProcesses(marks: ReadonlySet<string>): Promise<number[]> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const marked = await Promise.all(pids.map(async (pid) => ((await isMarked(pid, marks)) ? pid : undefined)));
  return marked.filter((pid) => pid !== undefined && pid !== process.pid) as number[];
}

async function isMarked(pid: number, marks: ReadonlySet<string>): Promise<boolean> {
  try {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1');
    return environment.split('\0').some((entry) => marks.has(entry));
  } catch {
    // Ended meanwhile, or another user's: not ours.
    return false;
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Gone, or changed to another user since: what may not be ended must not end the platform.
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}
