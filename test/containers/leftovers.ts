import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Ends the containers that a killed daemon has left running, known by their root file system lying in the daemon's
 * state, and takes down its mounts, so that the folder can be removed or used again.
 */
export async function clearLeftovers(stateDir: string): Promise<void> {
  for (;;) {
    const pids = await containersOf(stateDir);
    if (pids.length === 0) break;
    for (const pid of pids) endProcess(pid);
    await wait(20);
  }
  for (const point of (await mountsBelow(stateDir)).reverse()) {
    await run('umount', ['--lazy', point], { env: { PATH: '/usr/bin:/bin:/sbin' } }).catch(
      async (error: unknown) => {
        // Whoever clears up at the same time may have been first.
        if ((await mountsBelow(stateDir)).includes(point)) throw error;
      },
    );
  }
}

async function mountsBelow(dir: string): Promise<string[]> {
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  const points = mounts.split('\n').map((line) => line.split(' ')[1] ?? '');
  return points.filter((point) => point.startsWith(`${dir}/`));
}

async function containersOf(stateDir: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const mounts = await readFile(`/proc/${name}/mountinfo`, 'utf8').catch(() => '');
    const root = mounts.split('\n').find((line) => line.split(' ')[4] === '/');
    if (root?.includes(`${stateDir}/`)) found.push(Number(name));
  }
  return found;
}

/** A process that is gone is fine. */
export function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
