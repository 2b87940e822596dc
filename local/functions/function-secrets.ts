import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import type { DesiredFunction } from './desired-function.ts';
import { removeFolder } from './remove-folder.ts';

/** The values of an owner's secrets; `undefined` if there is none of that name. */
export type ReadSecret = (ownerId: string, name: string) => Promise<string | undefined>;

const secretName = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/**
 * Lays a function's secrets out as files in a new folder; `undefined`: it has none. No other user of the machine gets
 * into `parent`; below it the files are for everybody to read, since the program in a container, which is given its own
 * folder alone, is somebody else. A function that is a process is the platform's user: what is here keeps it from
 * nobody's secrets. Throws `unhealthy` if one is missing, and leaves nothing then.
 */
export async function layOutSecrets(
  parent: string,
  instanceId: string,
  version: DesiredFunction,
  read: ReadSecret,
): Promise<string | undefined> {
  const names = version.secrets ?? [];
  if (names.length === 0) return undefined;
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const dir = path.join(parent, instanceId);
  try {
    await mkdir(dir);
    for (const name of names) {
      // Manifests name secrets with their owner; people and functions do without.
      const own = name.startsWith(`${version.owner}-`) ? name.slice(version.owner.length + 1) : name;
      const value = await secretValue(version, [name, own], read);
      for (const file of new Set([name, own])) await writeReadable(path.join(dir, file), value);
    }
    await chmod(dir, 0o755);
    return dir;
  } catch (error) {
    await removeFolder(dir);
    throw error;
  }
}

async function secretValue(version: DesiredFunction, names: string[], read: ReadSecret): Promise<string> {
  for (const name of names) {
    if (!secretName.test(name)) break;
    const value = await read(version.ownerId, name);
    if (value !== undefined) return value;
  }
  const name = names.at(-1) ?? '';
  throw new TowlineError('unhealthy', `${version.owner} has no secret "${name}" on this machine`, {
    hint: `put its value into the file secrets/${version.ownerId}/${name} of the data folder`,
  });
}

async function writeReadable(file: string, value: string): Promise<void> {
  await writeFile(file, value, { flag: 'wx', mode: 0o444 });
  await chmod(file, 0o444);
}
