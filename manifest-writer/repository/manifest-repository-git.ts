import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { CommitSha } from '../../core/names.ts';
import { git } from '../../runtime/git.ts';
import type { RunResult } from '../../runtime/run-process.ts';
import { signCommits } from '../signing/sign-commits.ts';
import type { Signer } from '../signing/ssh-signer.ts';
import { createBoundedCache } from './bounded-cache.ts';
import { type CloneConfig, cloneEnvironment, remoteRef } from './clone-environment.ts';
import { createCommitImporter } from './commit-importer-git.ts';
import { logArguments, parseLog } from './commit-log.ts';
import { commitStream } from './commit-stream.ts';
import { createGitRemote } from './git-remote.ts';
import { streamAside, streamMainline, streamMainlineIds } from './mainline-git.ts';
import { DamagedCopyError, type ManifestRepository, type PushResult } from './manifest-repository.ts';
import { createObjectReader, type ObjectReader } from './object-reader-git.ts';
import { createRemoteAccess, type RemoteAccessConfig } from './remote-access.ts';
import { isNoRoom } from './remote-answers.ts';
import { isAway, noRoom, unavailable } from './remote-faults.ts';
import { createTreeReader } from './trees.ts';

export interface GitRepositoryConfig extends CloneConfig {
  /** Where the bare clone lies; made if it isn't there. Nobody else may use it. */
  clonePath: string;
  /** Milliseconds for one fetch or push. */
  remoteTimeoutMs: number;
  /** Larger objects are never read into memory. */
  maxObjectBytes: number;
  /** Who the writer is for the remote. */
  access?: RemoteAccessConfig | undefined;
  /** Signs every commit. */
  signer?: Signer | undefined;
}

/** The tip of what was last built here; it keeps its objects alive. */
const pendingRef = 'refs/towline/pending';
const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';
const maxCachedCommits = 256;
const maxCachedText = 32 * 1024 * 1024;
const maxLogBytes = 256 * 1024 * 1024;

/** The adapter on the system's git: one long-lived bare clone, no work tree. */
export async function openGitRepository(config: GitRepositoryConfig): Promise<ManifestRepository> {
  if (config.remoteUrl.startsWith('-')) {
    throw new TowlineError('config_invalid', 'the GitOps repository is a path or a URL');
  }
  const repository = createGitRepository(config);
  await removeLeftovers(config.clonePath);
  try {
    await repository.open();
  } catch (error) {
    await repository[Symbol.asyncDispose]();
    throw error;
  }
  return repository;
}

function createGitRepository(config: GitRepositoryConfig) {
  const stopping = new AbortController();
  const access = createRemoteAccess(config.remoteUrl, config.access ?? {});
  const env = cloneEnvironment(config, access, config.clonePath);
  const gitRemote = createGitRemote({ ...config, access, signal: stopping.signal });
  let objects = createObjectReader(env, config.maxObjectBytes);
  let trees = createTreeReader(objects);
  const importer = createCommitImporter(env, (ended) =>
    isNoRoom(ended) ? noRoom(new Error(`git fast-import: ${ended.stderr}`)) : undefined,
  );
  /** Never out of date: an id is what it names. */
  const headers = createBoundedCache<{ tree: string; parent: string | null }>(maxCachedCommits, () => 1);
  const texts = createBoundedCache<string>(maxCachedText, (text) => text.length + 200);
  let known: string | undefined;
  /** The fetch or push that runs: both move `remoteRef`, and a fetch must not tell of a time before a push. */
  let remoteCall: Promise<unknown> = Promise.resolve();

  const run = (args: string[], more: Partial<Parameters<typeof git>[0]> = {}): Promise<RunResult> =>
    git({ args, env, signal: stopping.signal, ...more });

  async function local(args: string[], more: Partial<Parameters<typeof git>[0]> = {}): Promise<string> {
    const result = await run(args, more);
    if (result.exitCode === 0) return result.stdout.toString('utf8');
    const cause = new Error(`git ${args[0]}: ${result.stderr.trim().slice(-500)}`);
    throw isNoRoom(result) ? noRoom(cause) : new DamagedCopyError(cause.message);
  }

  async function fetchHead(): Promise<string> {
    await gitRemote.fetch(env);
    const object = await objects.read(remoteRef);
    if (object?.type !== 'commit') throw new DamagedCopyError('the fetched head cannot be read');
    known = object.id;
    return known;
  }

  function alone<T>(work: () => Promise<T>): Promise<T> {
    const result = remoteCall.then(work);
    remoteCall = result.catch(() => {});
    return result;
  }

  const refresh = coalesced(() => alone(fetchHead));

  async function cloneAnew(): Promise<void> {
    const fresh = `${config.clonePath}.new-${randomUUID()}`;
    await mkdir(dirname(fresh), { recursive: true });
    try {
      const freshEnv = cloneEnvironment(config, access, fresh);
      const made = await git({ args: ['init', '--quiet', '--bare', fresh], env: freshEnv, cwd: '/' });
      if (made.exitCode !== 0) {
        const cause = new Error(made.stderr);
        if (isNoRoom(made)) throw noRoom(cause);
        throw new TowlineError('internal', "the writer's clone cannot be made", { cause });
      }
      await gitRemote.fetch(freshEnv);
      await objects[Symbol.asyncDispose]();
      await importer.pause();
      await rm(config.clonePath, { recursive: true, force: true });
      await rename(fresh, config.clonePath);
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
    objects = createObjectReader(env, config.maxObjectBytes);
    trees = createTreeReader(objects);
    const object = await objects.read(remoteRef);
    if (object?.type !== 'commit') throw new TowlineError('internal', 'the new clone cannot be read');
    known = object.id;
  }

  const repair = coalesced(() => alone(cloneAnew));

  async function commitHeader(commit: string): Promise<{ tree: string; parent: string | null } | undefined> {
    const cached = headers.get(commit);
    if (cached) return cached;
    if (!CommitSha.safeParse(commit).success) return undefined;
    const object = await objects.read(commit);
    if (object?.type !== 'commit') return undefined;
    const lines = object.content.toString('latin1').split('\n', 2);
    const parent = /^parent ([0-9a-f]{40})$/.exec(lines[1] ?? '')?.[1];
    const header = { tree: (lines[0] ?? '').slice('tree '.length), parent: parent ?? null };
    headers.set(commit, header);
    return header;
  }

  /** `git fast-import` cannot sign; the trees and blobs that it made stay, the commits are written once more. */
  async function signed(ids: readonly string[], signer: Signer): Promise<string[]> {
    const made = await Promise.all(ids.map((id) => objects.read(id)));
    const contents = made.map((object) => {
      if (object?.type !== 'commit') throw new DamagedCopyError('a new commit cannot be read');
      return object.content;
    });
    const { ids: signedIds, pack } = signCommits(contents, signer);
    await local(['index-pack', '--stdin'], { input: pack });
    return signedIds;
  }

  async function folderAt(commit: string, path: string) {
    const header = await commitHeader(commit);
    if (!header) throw new DamagedCopyError(`commit ${commit} is missing`);
    return await trees.folderAt(header.tree, path);
  }

  async function pushIfUnmoved(commit: string, expected: string): Promise<PushResult> {
    const answer = await gitRemote.push(commit, expected);
    if (answer.type === 'pushed') known = commit;
    return answer;
  }

  return {
    async open(): Promise<void> {
      try {
        if (!(await exists(config.clonePath))) return await repair();
        await refresh();
      } catch (error) {
        if (error instanceof DamagedCopyError) return await repair();
        if (!isAway(error)) throw error;
        // Reading goes on from what was fetched before; writing waits until the remote is back.
        known = (await lastFetched(objects))?.id;
      }
    },
    head() {
      if (known === undefined) throw unavailable('was never reached');
      return known;
    },
    refresh,
    repair,
    async list(commit: string, folder: string) {
      return [...((await folderAt(commit, folder))?.values() ?? [])];
    },
    async blobOf(commit: string, path: string) {
      const entry = (await folderAt(commit, dirname(path)))?.get(basename(path));
      return entry?.type === 'file' ? entry.id : null;
    },
    async read(blob: string) {
      const cached = texts.get(blob);
      if (cached !== undefined) return cached;
      const object = await objects.read(blob);
      if (object?.type !== 'blob') throw new DamagedCopyError(`blob ${blob} is missing`);
      const text = object.content.toString('utf8');
      texts.set(blob, text);
      return text;
    },
    async contains(head: string, commit: string) {
      if (!(await commitHeader(commit))) return false;
      const result = await run(['merge-base', '--is-ancestor', commit, head]);
      if (result.exitCode === 0 || result.exitCode === 1) return result.exitCode === 0;
      throw new DamagedCopyError(`git merge-base: ${result.stderr.trim()}`);
    },
    async parentOf(commit: string) {
      return (await commitHeader(commit))?.parent;
    },
    mainline: (head: string, since: string | null, visit) =>
      streamMainline({ env, signal: stopping.signal }, head, since, visit),
    aside: (merge: string, visit) => streamAside({ env, signal: stopping.signal }, merge, visit),
    mainlineIds: (head: string, visit) => streamMainlineIds({ env, signal: stopping.signal }, head, visit),
    async log(head: string, paths: readonly string[]) {
      const args = [...logArguments, '--end-of-options', head, '--', ...paths];
      const text = await local(args, { maxOutputBytes: maxLogBytes });
      return parseLog(text);
    },
    async diff(from: string | null, to: string, path: string) {
      const args = ['diff', '--no-color', '--no-ext-diff', '--no-textconv', '--no-renames'];
      return await local([...args, '--end-of-options', from ?? emptyTree, to, '--', path]);
    },
    async append(parent: string, commits) {
      const stream = commitStream(pendingRef, parent, commits, 'checkpoint');
      const ids = await importer.append(stream, commits.length);
      const good = ids.length === commits.length && ids.every((id) => CommitSha.safeParse(id).success);
      if (!good) throw new DamagedCopyError('git fast-import gave no commit ids');
      return config.signer ? await signed(ids, config.signer) : ids;
    },
    push: (commit: string, expected: string) => alone(() => pushIfUnmoved(commit, expected)),
    async maintain() {
      await importer.pause();
      await removeKeepFiles(config.clonePath);
      await local(['repack', '-d', '--geometric=2', '--quiet'], { timeoutMs: 600_000 });
      await local(['gc', '--auto', '--quiet'], { timeoutMs: 600_000 });
      await local(['commit-graph', 'write', '--reachable', '--changed-paths'], { timeoutMs: 600_000 });
    },
    async [Symbol.asyncDispose]() {
      stopping.abort(new TowlineError('unavailable', 'the manifest-writer is stopping'));
      gitRemote[Symbol.dispose]();
      await importer[Symbol.asyncDispose]();
      await objects[Symbol.asyncDispose]();
    },
  } satisfies ManifestRepository & { open(): Promise<void> };
}

async function lastFetched(objects: ObjectReader) {
  try {
    return await objects.read(remoteRef);
  } catch {
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

/** A killed import leaves its packs marked as in use, which no housekeeping would join. */
async function removeKeepFiles(clonePath: string): Promise<void> {
  const folder = join(clonePath, 'objects', 'pack');
  const names = await readdir(folder).catch((): string[] => []);
  for (const name of names.filter((one) => one.endsWith('.keep'))) {
    await rm(join(folder, name), { force: true });
  }
}

/** What a killed process left half made. */
async function removeLeftovers(clonePath: string): Promise<void> {
  const folder = dirname(clonePath);
  const names = await readdir(folder).catch((): string[] => []);
  for (const name of names.filter((one) => one.startsWith(`${basename(clonePath)}.new-`))) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Calls that come while one runs share the next run: each sees what happened before it asked. */
function coalesced<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  let next: Promise<T> | undefined;
  const start = (): Promise<T> => {
    const run = work().finally(() => {
      if (running === run) running = undefined;
    });
    running = run;
    return run;
  };
  return () => {
    if (!running) return start();
    next ??= running
      .then(
        () => {},
        () => {},
      )
      .then(() => {
        next = undefined;
        return start();
      });
    return next;
  };
}
