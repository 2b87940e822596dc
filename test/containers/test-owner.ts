import { readFileSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Names, in a daemon's environment, the test process that started it. Children of the daemon inherit it. */
export const ownerVariable = 'TOWLINE_TEST_OWNER';

/** This process as `<pid>-<start time>`: the start time, in the kernel's ticks, tells it from a later one of its number. */
export const thisOwner = `${process.pid}-${startTime(readFileSync('/proc/self/stat', 'utf8'))}`;

/** A new temporary folder that says whose it is, so that it is removed even if its owner is killed. */
export function ownedFolder(purpose: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `towline-${thisOwner}-${purpose}-`));
}

/** The owner of a folder made by `ownedFolder`, by the folder's name. */
export function ownerOfFolder(name: string): string | undefined {
  return /^towline-(\d+-\d+)-/.exec(name)?.[1];
}

export async function isAlive(owner: string): Promise<boolean> {
  const [pid, started] = owner.split('-');
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // What has ended and only waits to be asked for its exit code holds nothing any more.
  return stat !== undefined && startTime(stat) === started && !/\) [ZX] /.test(stat);
}

/** The program's own name comes before, in brackets, and may hold anything. */
function startTime(stat: string): string {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
