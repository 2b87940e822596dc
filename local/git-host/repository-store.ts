import { randomUUID } from 'node:crypto';
import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { branchOf, OwnerSlug, RepoName, zeroSha } from '../../core/names.ts';
import { git, gitConfigEnvironment, gitEnvironment, gitOutput } from '../../runtime/git.ts';
import type { RefUpdate } from './hook-request.ts';

/** Bare repositories as `<root>/<owner>/<name>.git`. Names starting with a dot are the host's own. */
export interface RepositoryStore {
  root: string;
  /** An empty repository: what a push to a repository that doesn't exist yet is shown. */
  emptyPath: string;
  /** Its path, if it is hosted: under exactly this name, and not through a link. */
  find(owner: string, name: string): Promise<string | undefined>;
  /** Makes it unless it is there. May be called concurrently. */
  create(owner: string, name: string): Promise<string>;
  owners(): Promise<string[]>;
  names(owner: string): Promise<string[]>;
  defaultBranch(path: string): Promise<string>;
  /** The commit at the tip of the branch, if there is one. */
  tip(path: string, branch: string): Promise<string | undefined>;
  /** Branches and their tips, the newest commit first; not those beyond the 200th. */
  branches(path: string): Promise<{ branch: string; head: string }[]>;
  /** The id of the owner whose push brought the branch to this commit, if git has noted it. */
  pusherOf(path: string, branch: string, commit: string): Promise<string | undefined>;
  /** Points HEAD to a branch that was just pushed if HEAD's own branch does not exist. */
  alignHead(path: string, updates: readonly RefUpdate[]): Promise<void>;
  markPushed(path: string): Promise<void>;
  pushedAt(path: string): Promise<number | null>;
}

const initialBranch = 'main';
const pushedMarker = 'towline-pushed-at';

/**
 * What must lie in the repository itself: a fetch by path starts its upload-pack without the caller's
 * `GIT_CONFIG_*`. Everything else is given to each process by its environment.
 */
const repositoryConfig = `[uploadpack]
	allowAnySHA1InWant = true
[http]
	receivepack = true
[receive]
	denyDeleteCurrent = refuse
	autogc = false
[transfer]
	fsckObjects = true
[gc]
	auto = 0
`;

/** The ones that were committed to last: what nobody has worked on for so long was not missed just now. */
const maxBranches = 200;

/** The last check before a path is made of names. */
function wellNamed(owner: string, name: string): boolean {
  return OwnerSlug.safeParse(owner).success && RepoName.safeParse(name).success;
}

/** `undefined` where the file or folder does not exist. */
async function unlessAbsent<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function headCandidate(updates: readonly RefUpdate[]): string | undefined {
  const pushed = updates.filter((update) => update.after !== zeroSha).map((update) => branchOf(update.ref));
  const branches = pushed.filter((branch) => branch !== undefined);
  return ['main', 'master'].find((name) => branches.includes(name)) ?? branches[0];
}

/** Opens the folder of all repositories, making it if it is absent. */
export async function openRepositoryStore(reposDir: string, searchPath: string): Promise<RepositoryStore> {
  await mkdir(reposDir, { recursive: true, mode: 0o700 });
  const root = await realpath(reposDir);
  const nascent = join(root, '.new');
  await rm(nascent, { recursive: true, force: true });
  await mkdir(nascent);

  const environment = (path: string) =>
    gitEnvironment(
      searchPath,
      gitConfigEnvironment({ 'safe.directory': path, 'init.defaultRefFormat': 'files' }),
    );

  async function init(target: string): Promise<void> {
    const temporary = join(nascent, `${randomUUID()}.git`);
    const init = ['init', '--quiet', '--bare', '--object-format=sha1', `--initial-branch=${initialBranch}`];
    await gitOutput({ args: [...init, '--template=', temporary], env: environment(temporary) });
    await appendFile(join(temporary, 'config'), repositoryConfig);
    try {
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    }
  }

  async function at(path: string): Promise<string | undefined> {
    return (await unlessAbsent(realpath(path))) === path ? path : undefined;
  }

  const store: RepositoryStore = {
    root,
    emptyPath: join(root, '.empty.git'),
    find: async (owner, name) => (wellNamed(owner, name) ? at(join(root, owner, `${name}.git`)) : undefined),
    async create(owner, name) {
      if (!wellNamed(owner, name)) throw new TowlineError('name_invalid', 'not the name of a repository');
      const path = join(root, owner, `${name}.git`);
      if (await at(path)) return path;
      await mkdir(join(root, owner), { recursive: true, mode: 0o700 });
      await init(path);
      if (await at(path)) return path;
      // A file system that ignores case holds the name in other letters.
      throw new TowlineError('conflict', `a repository with a name like ${owner}/${name} exists already`);
    },
    async owners() {
      const names = await readdir(root);
      return names.filter((name) => OwnerSlug.safeParse(name).success).sort();
    },
    async names(owner) {
      const files = (await unlessAbsent(readdir(join(root, owner)))) ?? [];
      const names = files
        .filter((file) => file.endsWith('.git'))
        .map((file) => file.slice(0, -'.git'.length));
      return names.filter((name) => RepoName.safeParse(name).success).sort();
    },
    async defaultBranch(path) {
      const head = await readFile(join(path, 'HEAD'), 'utf8');
      return branchOf(/^ref: (\S+)\s*$/.exec(head)?.[1] ?? '') ?? initialBranch;
    },
    async tip(path, branch) {
      const result = await git({
        args: ['rev-parse', '--quiet', '--verify', '--end-of-options', `refs/heads/${branch}^{commit}`],
        cwd: path,
        env: environment(path),
      });
      return result.exitCode === 0 ? result.stdout.toString('utf8').trim() : undefined;
    },
    async branches(path) {
      const format = '--format=%(objectname) %(refname:lstrip=2)';
      const text = await gitOutput({
        args: ['for-each-ref', `--count=${maxBranches}`, '--sort=-committerdate', format, 'refs/heads/'],
        cwd: path,
        env: environment(path),
      });
      const lines = text.split('\n').filter((line) => line !== '');
      return lines.map((line) => ({ head: line.slice(0, 40), branch: line.slice(41) }));
    },
    async pusherOf(path, branch, commit) {
      const newest = ['log', '--walk-reflogs', '--max-count=1', '--format=%H %ge'];
      const result = await git({
        args: [...newest, '--end-of-options', `refs/heads/${branch}`, '--'],
        cwd: path,
        env: environment(path),
      });
      const [movedTo, ownerId] = result.stdout.toString('utf8').trim().split(' ');
      return result.exitCode === 0 && movedTo === commit ? ownerId : undefined;
    },
    async alignHead(path, updates) {
      const candidate = headCandidate(updates);
      if (candidate === undefined || (await store.tip(path, await store.defaultBranch(path)))) return;
      await gitOutput({
        args: ['symbolic-ref', 'HEAD', `refs/heads/${candidate}`],
        cwd: path,
        env: environment(path),
      });
    },
    markPushed: (path) => writeFile(join(path, pushedMarker), ''),
    async pushedAt(path) {
      const marker = await unlessAbsent(stat(join(path, pushedMarker)));
      return marker ? Math.round(marker.mtimeMs) : null;
    },
  };
  if (!(await at(store.emptyPath))) await init(store.emptyPath);
  return store;
}
