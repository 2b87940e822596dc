import { createHash, randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { git, gitConfigEnvironment } from '../../runtime/git.ts';
import { type FetchedCommit, fetchCommit } from '../source/fetch-commit.ts';
import { type SourceGit, sourceGitCall } from '../source/source-git.ts';
import { createSingleFlight } from './single-flight.ts';
import type { TemplateLocation } from './template-location.ts';
import type { TemplateSource } from './template-source.ts';

export interface GitTemplateSourceConfig {
  /** Its own folder: one entry for each commit, put there whole. What a former run left half-done is removed. */
  cacheDir: string;
  /** `PATH` of the git processes. */
  path: string;
  /** Of one repository of templates, in bytes; default 64 MB. */
  maxBytes?: number | undefined;
  /** Commits kept; more stay only while builds may still use them. Default: 200. */
  keepCommits?: number | undefined;
  timeoutMs?: number | undefined;
  now?: (() => number) | undefined;
}

interface Wanted {
  location: TemplateLocation;
  commit: string;
  dir: string;
  signal: AbortSignal;
}

const defaultMaxBytes = 64 * 1024 * 1024;
const defaultKeepCommits = 200;
const defaultTimeoutMs = 2 * 60_000;
/** The longest that a build may wait between looking for its template and copying it. */
const inUseMs = 24 * 60 * 60_000;
const wholeCommit = /^[0-9a-f]{40}$/;
const halfDone = 'new-';

/** Fetches with the system's git, without its history, submodules, hooks or filters; redirects are not followed. */
export async function createGitTemplateSource(config: GitTemplateSourceConfig): Promise<TemplateSource> {
  const { cacheDir, maxBytes = defaultMaxBytes, timeoutMs = defaultTimeoutMs, now = Date.now } = config;
  const once = createSingleFlight<string>();
  await mkdir(cacheDir, { recursive: true, mode: 0o700 });
  for (const name of await readdir(cacheDir)) {
    if (name.startsWith(halfDone)) await remove(join(cacheDir, name));
  }

  async function fetchInto(entry: string, location: TemplateLocation, commit: string, signal: AbortSignal) {
    const dir = join(cacheDir, `${halfDone}${randomUUID()}`);
    try {
      const { sourceDir } = await fetchTwice({ location, commit, dir, signal });
      const isFolder = await lstat(join(sourceDir, 'template')).then(
        (found) => found.isDirectory(),
        () => false,
      );
      if (!isFolder) {
        throw new TowlineError(
          'source_unavailable',
          `${location.url} has no folder "template" at ${commit}`,
          {
            hint: 'a repository of templates holds template/<language>/template.yml',
          },
        );
      }
      await remove(join(dir, 'git'));
      await rename(dir, entry);
    } finally {
      await remove(dir);
    }
  }

  /** What fails although the repository can be reached is tried once more, and is then not there. */
  async function fetchTwice(wanted: Wanted): Promise<FetchedCommit> {
    const first = await fetchOnce(wanted);
    if (first instanceof TowlineError) await remove(wanted.dir);
    const fetched = first instanceof TowlineError ? await fetchOnce(wanted) : first;
    if (!(fetched instanceof TowlineError)) return fetched;
    const { location, commit } = wanted;
    const message = `commit ${commit.slice(0, 12)} of ${location.url} cannot be had`;
    throw new TowlineError('source_unavailable', message, { cause: fetched });
  }

  /** The error is given back if the repository itself is there; if it is away, that is thrown. */
  async function fetchOnce(wanted: Wanted): Promise<FetchedCommit | TowlineError> {
    const { location, commit, dir, signal } = wanted;
    try {
      const source = sourceOf(config, location);
      const ref = location.ref === undefined || location.ref === commit ? 'HEAD' : location.ref;
      return await fetchCommit({ source, ref, commit, dir, maxBytes, timeoutMs, signal });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TowlineError) || error.code !== 'remote_unavailable') throw error;
      await listRefs(config, location, ['HEAD'], signal);
      return error;
    }
  }

  /** Whether it is there; it counts as used now, and is not removed for a day. */
  async function touch(entry: string): Promise<boolean> {
    const time = now() / 1000;
    return utimes(entry, time, time).then(
      () => true,
      () => false,
    );
  }

  async function prune(): Promise<void> {
    const entries = [];
    for (const name of await readdir(cacheDir)) {
      if (name.startsWith(halfDone)) continue;
      const usedAt = await stat(join(cacheDir, name)).then(
        (found) => found.mtimeMs,
        () => 0,
      );
      entries.push({ name, usedAt });
    }
    entries.sort((a, b) => b.usedAt - a.usedAt);
    for (const { name, usedAt } of entries.slice(config.keepCommits ?? defaultKeepCommits)) {
      if (now() - usedAt > inUseMs) await remove(join(cacheDir, name));
    }
  }

  return {
    async commitOf(location, signal) {
      const { url, ref } = location;
      if (ref !== undefined && wholeCommit.test(ref)) return ref;
      return once(`${url}#${ref ?? ''}`, signal, (stop) => askForCommit(config, location, stop));
    },
    async folder(location, commit, signal) {
      const source = createHash('sha256').update(location.url).digest('hex').slice(0, 16);
      const entry = join(cacheDir, `${source}-${commit}`);
      await once(entry, signal, async (stop) => {
        if (await touch(entry)) return entry;
        await fetchInto(entry, location, commit, stop);
        await touch(entry);
        await prune();
        return entry;
      });
      return join(entry, 'source', 'template');
    },
  };
}

async function askForCommit(
  config: GitTemplateSourceConfig,
  location: TemplateLocation,
  signal: AbortSignal,
): Promise<string> {
  const { url, ref } = location;
  // A branch before a tag of the same name; of an annotated tag what it points to.
  const wanted =
    ref === undefined ? ['HEAD'] : [`refs/heads/${ref}`, `refs/tags/${ref}^{}`, `refs/tags/${ref}`];
  const refs = await listRefs(config, location, wanted, signal);
  for (const name of wanted) {
    const commit = refs.get(name);
    if (commit !== undefined && wholeCommit.test(commit)) return commit;
  }
  const what = ref === undefined ? 'no commit' : `no branch or tag ${JSON.stringify(ref)}`;
  throw new TowlineError('source_unavailable', `${url} has ${what}`, {
    hint: 'write a branch, a tag, or all 40 digits of a commit after the "#"',
  });
}

async function listRefs(
  config: GitTemplateSourceConfig,
  location: TemplateLocation,
  names: string[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const call = sourceGitCall(sourceOf(config, location), [
    'ls-remote',
    '--quiet',
    '--',
    location.url,
    ...names,
  ]);
  const result = await git({ ...call, cwd: '/', signal });
  signal.throwIfAborted();
  if (result.exitCode !== 0) {
    const words = result.timedOut ? 'timed out' : result.stderr.trim();
    throw new TowlineError('remote_unavailable', `the templates of ${location.url} cannot be fetched`, {
      cause: new Error(`git ls-remote: ${words}`),
    });
  }
  const lines = result.stdout.toString('utf8').split('\n');
  return new Map(
    lines.flatMap((line) => {
      const [commit = '', name] = line.split('\t');
      return name === undefined ? [] : [[name, commit] as const];
    }),
  );
}

/** Only the transport of the URL itself: an answer must not lead to another one, or to another host. */
function sourceOf(config: GitTemplateSourceConfig, { url }: TemplateLocation): SourceGit {
  const env = {
    GIT_ALLOW_PROTOCOL: new URL(url).protocol.slice(0, -1),
    GIT_SSH_COMMAND: 'ssh -oBatchMode=yes',
    ...gitConfigEnvironment({ 'http.followRedirects': 'false' }),
  };
  return { location: { url, env }, path: config.path };
}

function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 3 });
}
