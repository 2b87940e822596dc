import { digestOf } from '../core/names.ts';
import { git, gitEnvironment, gitOutput } from '../runtime/git.ts';
import { delay } from '../runtime/lifecycle.ts';
import type { Logger } from '../runtime/logger.ts';
import type { ArtifactShelf } from './artifact-shelf.ts';
import { createVersionReader } from './manifest-versions.ts';

export interface ArtifactSweepConfig {
  /** The bare GitOps repository. */
  gitopsPath: string;
  branch: string;
  /** PATH, to find git. */
  path: string;
  /** The newest versions of each function that stay, so that it can be rolled back to them. */
  keepPerFunction: number;
  /** Milliseconds for which an artifact stays although nothing names it: its deploy may be under way. */
  minAgeMs: number;
  /** Milliseconds before the first sweep, and between sweeps. */
  firstAfterMs: number;
  everyMs: number;
}

/** What need not be given. */
export const artifactSweepDefaults = {
  branch: 'main',
  keepPerFunction: 20,
  minAgeMs: 3_600_000,
  firstAfterMs: 60_000,
  everyMs: 3_600_000,
} satisfies Partial<ArtifactSweepConfig>;

export interface ArtifactSweepDeps {
  shelf: ArtifactShelf;
  logger: Logger;
  /** Images that run, or are to be gone back to, whatever the repository says. */
  imagesInUse?: (() => Iterable<string>) | undefined;
  /** Milliseconds since the epoch. */
  now?: (() => number) | undefined;
}

/** Removes artifacts that no manifest names any more, from time to time. */
export interface ArtifactSweep extends AsyncDisposable {
  /** Sweeps now and says how many artifacts went. Never rejects: what cannot be removed stays until the next time. */
  sweep(): Promise<number>;
}

/** Older history only counts as far as the manifests of today name it. */
const maxCommits = 50_000;
const historyTimeoutMs = 300_000;

export function createArtifactSweep(
  options: Pick<ArtifactSweepConfig, 'gitopsPath' | 'path'> & Partial<ArtifactSweepConfig>,
  { shelf, logger, imagesInUse = () => [], now = Date.now }: ArtifactSweepDeps,
): ArtifactSweep {
  const config = { ...artifactSweepDefaults, ...options };
  const ending = new AbortController();
  const { signal } = ending;
  const env = { ...gitEnvironment(config.path), GIT_DIR: config.gitopsPath };
  let known: { head: string; digests: ReadonlySet<string> } | undefined;
  let running: Promise<number> | undefined;

  async function sweepOnce(): Promise<number> {
    // Listed before the manifests are read: what a deploy names in between is not taken for forgotten.
    const shelved = await shelf.list();
    await shelf.tidy(signal).catch((error: unknown) => {
      logger.warn({ err: error }, 'a removed artifact still takes up space');
    });
    const before = now() - config.minAgeMs;
    const old = shelved.filter(({ wantedAt }) => wantedAt < before).map(({ name }) => name);
    if (old.length === 0) return 0;
    const named = await namedDigests();
    if (named === undefined) return 0;
    let removed = 0;
    for (const name of old) {
      signal.throwIfAborted();
      // Asked anew for each: removing takes a while, and a function may be started meanwhile.
      if (!named.has(name) && !isInUse(name) && (await remove(name))) removed++;
    }
    if (removed > 0) logger.info({ removed }, 'removed artifacts that nothing names any more');
    return removed;
  }

  function isInUse(name: string): boolean {
    for (const image of imagesInUse()) if (digestOf(image) === `sha256:${name}`) return true;
    return false;
  }

  async function remove(name: string): Promise<boolean> {
    try {
      await shelf.remove(name);
      return true;
    } catch (error) {
      logger.warn({ err: error, artifact: name }, 'an artifact cannot be removed');
      return false;
    }
  }

  /** `undefined`: there are no manifests at all, which is no reason to remove everything. */
  async function namedDigests(): Promise<ReadonlySet<string> | undefined> {
    const ref = `refs/heads/${config.branch}^{commit}`;
    const found = await git({ args: ['rev-parse', '--verify', '--quiet', ref], env, signal });
    if (found.exitCode !== 0) return undefined;
    const head = found.stdout.toString('utf8').trim();
    if (known?.head !== head) {
      const digests = new Set([...(await digestsAt(head)), ...(await digestsOfHistory(head))]);
      known = { head, digests };
    }
    return known.digests;
  }

  async function digestsAt(head: string): Promise<string[]> {
    const tree = await gitOutput({ args: ['rev-parse', `${head}^{tree}`], env, signal });
    const args = ['grep', '-h', '-o', '-I', '-E', '@sha256:[0-9a-f]{64}', tree.trim()];
    const { exitCode, stdout, stderr } = await git({ args, env, signal });
    if (exitCode !== 0 && exitCode !== 1) throw new Error(`git grep: ${stderr.trim()}`);
    return stdout
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.slice('@sha256:'.length));
  }

  async function digestsOfHistory(head: string): Promise<string[]> {
    const reader = createVersionReader(config.keepPerFunction);
    const format = [
      '--format=',
      '--unified=0',
      '--no-color',
      '--no-renames',
      '--no-ext-diff',
      '--no-textconv',
    ];
    const args = ['log', '--patch', '--diff-merges=first-parent', `--max-count=${maxCommits}`, ...format];
    const { exitCode, timedOut, stderr } = await git({
      args: [...args, '--src-prefix=a/', '--dst-prefix=b/', head, '--', 'tenants/', 'environments/'],
      env,
      signal,
      timeoutMs: historyTimeoutMs,
      onOutput: (chunk, stream) => stream === 'stdout' && reader.push(chunk),
    });
    if (exitCode !== 0) throw new Error(`git log: ${timedOut ? 'timed out' : stderr.trim()}`);
    return reader.digests();
  }

  function sweep(): Promise<number> {
    running ??= sweepOnce()
      .catch((error: unknown) => {
        if (!signal.aborted) logger.warn({ err: error }, 'artifacts could not be swept');
        return 0;
      })
      .finally(() => {
        running = undefined;
      });
    return running;
  }

  async function sweepForEver(): Promise<void> {
    await delay(config.firstAfterMs, signal);
    while (!signal.aborted) {
      await sweep();
      await delay(config.everyMs, signal);
    }
  }
  const loop = sweepForEver().catch(() => undefined);

  return {
    sweep,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await loop;
      await running;
    },
  };
}
