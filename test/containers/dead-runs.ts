import { readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { clearLeftovers, endProcess } from './leftovers.ts';
import { isAlive, ownerOfFolder, ownerVariable } from './test-owner.ts';

export interface Swept {
  processes: number;
  folders: number;
}

const entry = new RegExp(`(?:^|\0)${ownerVariable}=(\\d+-\\d+)(?:\0|$)`);
const maxRounds = 100;

/**
 * Ends daemons whose test process is gone, the containers they left, and removes their folders. What belongs to a test
 * process that still runs is left alone, so that several runs on one machine don't hurt each other.
 */
export async function sweepDeadRuns(): Promise<Swept> {
  const ended = new Set<number>();
  for (let round = 0; round < maxRounds; round++) {
    const orphans = await orphanedProcesses();
    if (orphans.length === 0) break;
    for (const pid of orphans) {
      ended.add(pid);
      endProcess(pid);
    }
    await wait(20);
  }
  let folders = 0;
  for (const name of await readdir(tmpdir())) {
    const owner = ownerOfFolder(name);
    if (owner === undefined || (await isAlive(owner))) continue;
    const dir = join(tmpdir(), name);
    await clearLeftovers(dir);
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    folders += 1;
  }
  return { processes: ended.size, folders };
}

async function orphanedProcesses(): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // Ended meanwhile, or another user's: not ours.
    const environment = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => '');
    const owner = entry.exec(environment)?.[1];
    if (owner !== undefined && !(await isAlive(owner))) found.push(Number(name));
  }
  return found;
}
