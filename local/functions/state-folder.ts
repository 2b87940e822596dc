import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import { whyNotFunction, whyNotOwner } from '../../core/names.ts';
import type { Logger } from '../../runtime/logger.ts';
import { DesiredFunction } from './desired-function.ts';
import { processStart } from './orphans.ts';
import { removeFolder } from './remove-folder.ts';

/** What the supervisor keeps on disk: `<stateDir>/<owner>/<function>/{last-good.json,output.log}`. */
export interface StateFolder {
  /** Random and lasting: marks the processes of this folder's functions. */
  marker: string;
  /** Temporary homes of running instances; emptied at every start. */
  homesDir: string;
  outputFile(owner: string, functionName: string): string;
  lastGood(owner: string, functionName: string): DesiredFunction | undefined;
  keepLastGood(version: DesiredFunction): void;
  forget(owner: string, functionName: string): void;
  /** Every function that has something here. */
  known(): Promise<{ owner: string; functionName: string }[]>;
  close(): Promise<void>;
}

const ownFolder = '.supervisor';
const OwnerRecord = z.object({ pid: z.number(), startedAt: z.string().optional() });
const LastGood = z.object({ version: z.literal(1), function: DesiredFunction });

/** Throws `data_folder_unusable` if another platform that still runs holds the folder. */
export async function openStateFolder(stateDir: string, logger: Logger): Promise<StateFolder> {
  const own = path.join(stateDir, ownFolder);
  const homesDir = path.join(own, 'homes');
  await mkdir(own, { recursive: true, mode: 0o700 });
  const holderFile = path.join(own, 'holder.json');
  await refuseSecondHolder(holderFile, stateDir);
  const holder = { pid: process.pid, startedAt: await processStart(process.pid) };
  await writeFile(holderFile, JSON.stringify(holder), { mode: 0o600 });
  await removeFolder(homesDir);
  await mkdir(homesDir, { mode: 0o700 });
  const marker = await lastingMarker(path.join(own, 'marker'));
  const folderOf = (owner: string, functionName: string) => containedFolder(stateDir, owner, functionName);

  return {
    marker,
    homesDir,
    outputFile: (owner, functionName) => path.join(folderOf(owner, functionName), 'output.log'),
    lastGood(owner, functionName) {
      const file = path.join(folderOf(owner, functionName), 'last-good.json');
      try {
        const kept = LastGood.parse(JSON.parse(readFileSync(file, 'utf8'))).function;
        return kept.owner === owner && kept.functionName === functionName ? kept : undefined;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
          logger.warn({ err: error, file }, 'the last good version cannot be read');
        }
        return undefined;
      }
    },
    keepLastGood(version) {
      const folder = folderOf(version.owner, version.functionName);
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const file = path.join(folder, 'last-good.json');
        writeFileSync(`${file}.new`, JSON.stringify({ version: 1, function: version }), { mode: 0o600 });
        renameSync(`${file}.new`, file);
      } catch (error) {
        logger.warn({ err: error, folder }, 'the last good version cannot be kept');
      }
    },
    forget(owner, functionName) {
      rmSync(folderOf(owner, functionName), { recursive: true, force: true });
    },
    known: () => knownFunctions(stateDir),
    close: () => rm(holderFile, { force: true }),
  };
}

/** The names become folders, so they are checked here whoever asks. */
function containedFolder(stateDir: string, owner: string, functionName: string): string {
  const why = whyNotOwner(owner) ?? whyNotFunction(owner, functionName);
  if (why !== undefined) throw new TowlineError('name_invalid', why);
  return path.join(stateDir, owner, functionName);
}

async function refuseSecondHolder(holderFile: string, stateDir: string): Promise<void> {
  const holder = OwnerRecord.safeParse(await readJson(holderFile)).data;
  if (holder?.startedAt === undefined || holder.pid === process.pid) return;
  if ((await processStart(holder.pid)) !== holder.startedAt) return;
  throw new TowlineError(
    'data_folder_unusable',
    `process ${holder.pid} already runs functions from ${stateDir}`,
    {
      hint: 'stop the other Towline, or give this one a data folder of its own (TOWLINE_DATA)',
    },
  );
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    // Missing, or cut short by a crash: nobody is known to hold the folder.
    return undefined;
  }
}

async function lastingMarker(file: string): Promise<string> {
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim();
  if (/^[0-9a-f]{32}$/.test(kept)) return kept;
  const marker = randomBytes(16).toString('hex');
  await writeFile(file, marker, { mode: 0o600 });
  return marker;
}

async function knownFunctions(stateDir: string): Promise<{ owner: string; functionName: string }[]> {
  const known: { owner: string; functionName: string }[] = [];
  for (const owner of await folderNames(stateDir)) {
    if (whyNotOwner(owner) !== undefined) continue;
    for (const functionName of await folderNames(path.join(stateDir, owner))) {
      if (whyNotFunction(owner, functionName) === undefined) known.push({ owner, functionName });
    }
  }
  return known;
}

async function folderNames(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}
