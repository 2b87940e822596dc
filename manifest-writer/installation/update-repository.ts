import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { defaultEnvironment, whyNotEnvironment } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import { whyNotOwner } from '../../core/names.ts';
import { gitEnvironment, git as runGit } from '../../runtime/git.ts';
import { clusterFolder, gitOpsEngines, setUpFolder } from '../provisioning/set-up.ts';
import type { InstallationConfig } from './installation-config.ts';
import { installationFiles, type KnownTenant } from './installation-files.ts';
import { type Settled, settleFile } from './settle-file.ts';

export interface UpdateOptions {
  templateDir: string;
  /** A clone of the GitOps repository, or a folder that becomes one. */
  dir: string;
  config: InstallationConfig;
  /** What operators changed is taken back. */
  overwrite: boolean;
  /** `PATH`, to find git. */
  searchPath: string;
}

/** What happened to a file; of those that stay as they were made, nothing is told. */
export interface FileChange {
  path: string;
  outcome: 'new' | 'changed' | 'merged' | 'kept' | 'removed';
}

export interface Update {
  changes: FileChange[];
  /** Of files that the installation has. */
  count: number;
}

/** By what lies there, init-gitops tells an operator's changes from its own, and finds what it made and makes no more. */
const madeNote = `# What "npm run init-gitops" made of each file the last time, to tell your changes from its own. Not applied; not to be edited.
* -diff
`;

/**
 * Writes an installation's files: what operators changed in them stays, what is no longer made goes. Throws `conflict`,
 * with nothing written, if an operator and this version changed the same lines, or if what would be written over is in
 * no commit.
 */
export async function updateRepository(options: UpdateOptions): Promise<Update> {
  const { dir, config, searchPath } = options;
  const madeDir = join(dir, clusterFolder(config.cluster), '.towline/made');
  const before = await readFolder(madeDir);
  const setUps = await setUpFiles(dir, config);
  const settled = new Map<string, Settled>();

  async function settle(path: string, made: string): Promise<Settled> {
    const known = settled.get(path);
    if (known) return known;
    const there = await readText(join(dir, path));
    const isComparable = !options.overwrite && !isSetUp(path);
    const versions = { there, before: isComparable ? before.get(path) : undefined, made };
    const result = await settleFile(path, versions, searchPath);
    settled.set(path, result);
    return result;
  }

  const files = await installationFiles(options.templateDir, config, setUps, async (path, made) => {
    const result = await settle(path, made);
    return result.outcome === 'conflict' ? made : result.text;
  });
  for (const [path, made] of files) await settle(path, made);
  const gone = [...new Set([...before.keys(), ...setUps.map(({ path }) => path)])].filter(
    (path) => !files.has(path),
  );
  const removed: string[] = [];
  for (const path of gone) if ((await readText(join(dir, path))) !== undefined) removed.push(path);

  refuseConflicts(settled);
  const written = [...settled].filter(([, { outcome }]) => outcome !== 'same' && outcome !== 'kept');
  const replaced = written.filter(([, { outcome }]) => outcome !== 'new').map(([path]) => path);
  await refuseUnsaved(dir, [...replaced, ...removed], searchPath);

  for (const [path, result] of written) if ('text' in result) await writeText(join(dir, path), result.text);
  for (const path of removed) await rm(join(dir, path));
  await keepMade(madeDir, files, before);
  return { changes: changesOf(settled, removed), count: files.size };
}

function changesOf(settled: ReadonlyMap<string, Settled>, removed: readonly string[]): FileChange[] {
  const others = [...settled].flatMap(([path, { outcome }]) =>
    outcome === 'same' || outcome === 'conflict' ? [] : [{ path, outcome }],
  );
  return [...others, ...removed.map((path) => ({ path, outcome: 'removed' as const }))];
}

/** A tenant's file follows from its template alone, whoever made it. */
function isSetUp(path: string): boolean {
  return gitOpsEngines.some((engine) => path.includes(`${engine}/tenants/`)) && path.endsWith('.yaml');
}

/** What applies tenants' folders, of whatever engine and environment, and whoever made it. */
async function setUpFiles(
  dir: string,
  { cluster }: InstallationConfig,
): Promise<(KnownTenant & { path: string })[]> {
  const folders = gitOpsEngines.map((engine) =>
    setUpFolder({ engine, cluster, environment: defaultEnvironment }),
  );
  const found = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(join(dir, folder)).catch(() => []);
      return names.flatMap((name) => {
        const [owner = '', environment = defaultEnvironment] = name.replace(/\.yaml$/, '').split('.');
        const isTenant = name.endsWith('.yaml') && whyNotOwner(owner) === undefined;
        const isKnown = isTenant && whyNotEnvironment(environment) === undefined;
        return isKnown ? [{ owner, environment, path: join(folder, name) }] : [];
      });
    }),
  );
  return found.flat();
}

function refuseConflicts(settled: ReadonlyMap<string, Settled>): void {
  const paths = [...settled].filter(([, { outcome }]) => outcome === 'conflict').map(([path]) => path);
  if (paths.length === 0) return;
  throw new TowlineError(
    'conflict',
    `you and this version changed the same lines; nothing was written\n  ${paths.join('\n  ')}\n` +
      'take your changes there back, or run this again with --overwrite, commit, and make them anew',
  );
}

/** What is in git can be had back; what is written over before that is lost. */
async function refuseUnsaved(dir: string, paths: readonly string[], searchPath: string): Promise<void> {
  if (paths.length === 0) return;
  const args = ['-C', dir, 'status', '--porcelain', '--untracked-files=all', '--', ...paths];
  const { exitCode, stdout } = await runGit({ args, env: gitEnvironment(searchPath) });
  const unsaved = exitCode === 0 ? stdout.toString().trimEnd() : '';
  if (unsaved === '') return;
  throw new TowlineError(
    'conflict',
    `these files are to be written, and have changes that are in no commit yet: commit or drop them first\n${unsaved}`,
  );
}

/** After the files themselves: cut off in between, what is there is then what is made anew. */
async function keepMade(
  madeDir: string,
  files: ReadonlyMap<string, string>,
  before: ReadonlyMap<string, string>,
): Promise<void> {
  await writeText(join(madeDir, '../.gitattributes'), madeNote);
  for (const [path, text] of files) {
    if (!isSetUp(path) && before.get(path) !== text) await writeText(join(madeDir, path), text);
  }
  for (const path of before.keys()) if (!files.has(path)) await rm(join(madeDir, path));
}

async function readFolder(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  return new Map(
    await Promise.all(paths.map(async (path) => [path, await readFile(join(folder, path), 'utf8')] as const)),
  );
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeText(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
