import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { type GitCall, git } from '../../runtime/git.ts';
import { type SourceGit, sourceGitCall } from './source-git.ts';

export interface FetchRequest {
  source: SourceGit;
  ref: string;
  commit: string;
  /** Made here: the git folder lies beside the files, so that nothing of it gets into a build. */
  dir: string;
  /** Bytes of the received pack, and of the files that it unfolds to. */
  maxBytes: number;
  timeoutMs: number;
  signal: AbortSignal;
}

export interface FetchedCommit {
  sourceDir: string;
  /** First line of the commit's message. */
  subject: string;
}

type GitWatch = Pick<GitCall, 'signal' | 'onOutput'>;

const packCheckMs = 250;
/** Files and folders; a pack of some kilobytes can hold a tree that unfolds to billions of them. */
const maxEntries = 100_000;
const maxSubject = 500;

function tooLarge(maxBytes: number): TowlineError {
  return new TowlineError(
    'context_too_large',
    `the repository is larger than ${Math.floor(maxBytes / 1_000_000)} MB`,
    {
      hint: 'keep large files elsewhere',
    },
  );
}

function tooManyEntries(): TowlineError {
  return new TowlineError(
    'context_too_large',
    `the repository has more than ${maxEntries} files and folders`,
    { hint: 'commit only sources; have what they need installed by the build' },
  );
}

/** Adds up the sizes that `git ls-tree` prints, one a line, as they come; its signal aborts beyond a limit. */
function watchTree(maxBytes: number): { signal: AbortSignal; write: (chunk: Buffer) => void } {
  const controller = new AbortController();
  let entries = 0;
  let bytes = 0;
  let rest = '';
  return {
    signal: controller.signal,
    write(chunk) {
      if (controller.signal.aborted) return;
      const lines = (rest + chunk.toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      entries += lines.length;
      // Folders have no size.
      for (const line of lines) bytes += Number(line) || 0;
      if (entries > maxEntries) controller.abort(tooManyEntries());
      else if (bytes > maxBytes) controller.abort(tooLarge(maxBytes));
    },
  };
}

async function packBytes(gitDir: string): Promise<number> {
  let bytes = 0;
  const dir = join(gitDir, 'objects', 'pack');
  for (const name of await readdir(dir).catch(() => [])) {
    bytes += await stat(join(dir, name)).then(
      (found) => found.size,
      () => 0,
    );
  }
  return bytes;
}

/** Git has no limit for what a fetch receives, so the growing pack is watched. */
function watchPack(gitDir: string, maxBytes: number): Disposable & { signal: AbortSignal } {
  const controller = new AbortController();
  const timer = setInterval(async () => {
    if ((await packBytes(gitDir)) > maxBytes) controller.abort(tooLarge(maxBytes));
  }, packCheckMs);
  return { signal: controller.signal, [Symbol.dispose]: () => clearInterval(timer) };
}

/** What `git init --bare` would make, without another process on the way of every push. */
async function makeGitDir(gitDir: string): Promise<void> {
  await mkdir(join(gitDir, 'objects'), { recursive: true });
  await mkdir(join(gitDir, 'refs'));
  await writeFile(join(gitDir, 'HEAD'), 'ref: refs/heads/unborn\n');
  await writeFile(join(gitDir, 'config'), '[core]\n\trepositoryformatversion = 0\n\tbare = true\n');
}

/**
 * Fetches one commit, without history where the server lets it, and checks it out. Throws `remote_unavailable` if
 * the commit can't be had now, `context_too_large`.
 */
export async function fetchCommit(request: FetchRequest): Promise<FetchedCommit> {
  const { source, commit, maxBytes, signal } = request;
  const gitDir = join(request.dir, 'git');
  const sourceDir = join(request.dir, 'source');
  await mkdir(sourceDir, { recursive: true });
  const deadline = Date.now() + request.timeoutMs;

  async function run(args: readonly string[], more: GitWatch = {}) {
    const call = sourceGitCall(source, ['--git-dir', gitDir, '--work-tree', sourceDir, ...args]);
    const timeoutMs = Math.max(1, deadline - Date.now());
    return git({ ...call, cwd: sourceDir, signal, timeoutMs, ...more });
  }

  async function must(args: readonly string[], more?: GitWatch): Promise<string> {
    const result = await run(args, more);
    if (result.exitCode === 0) return result.stdout.toString('utf8');
    const words = result.timedOut ? 'timed out' : result.stderr.trim();
    throw new TowlineError('remote_unavailable', `commit ${commit.slice(0, 7)} could not be fetched`, {
      cause: new Error(`git ${args[0] ?? ''}: ${words}`),
    });
  }

  await makeGitDir(gitDir);
  {
    using pack = watchPack(gitDir, maxBytes);
    const stop = AbortSignal.any([signal, pack.signal]);
    const fetchArgs = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--no-write-fetch-head'];
    const url = source.location.url;
    const one = await run([...fetchArgs, '--depth=1', '--', url, commit], { signal: stop });
    // Some servers give whole refs only.
    if (one.exitCode !== 0) await must([...fetchArgs, '--', url, request.ref], { signal: stop });
  }
  if ((await packBytes(gitDir)) > maxBytes) throw tooLarge(maxBytes);
  const tree = watchTree(maxBytes);
  const listing = {
    signal: AbortSignal.any([signal, tree.signal]),
    onOutput: (chunk: Buffer, stream: string) => {
      if (stream === 'stdout') tree.write(chunk);
    },
  };
  const [, subject] = await Promise.all([
    must(['ls-tree', '-r', '-t', '--format=%(objectsize)', commit], listing),
    must(['log', '-1', '--format=%s', commit, '--']),
  ]);
  tree.signal.throwIfAborted();
  await must(['checkout', '--quiet', '--force', '--detach', commit]);
  const head = await readFile(join(gitDir, 'HEAD'), 'utf8');
  if (head.trim() !== commit) {
    throw new TowlineError('source_unavailable', `the source has no commit ${commit.slice(0, 7)}`);
  }
  return {
    sourceDir,
    subject: subject
      .replace(/\p{Cc}+/gu, '')
      .trim()
      .slice(0, maxSubject),
  };
}
