import { git, gitConfigEnvironment, gitEnvironment } from '../../runtime/git.ts';
import type { Logger } from '../../runtime/logger.ts';
import { durable } from './durability.ts';

/** Packs repositories when git thinks it worth while: after pushes, one at a time, never while one waits for it. */
export interface Housekeeping extends AsyncDisposable {
  visit(repositoryPath: string): void;
}

const timeoutMs = 10 * 60_000;
/** git's own default for loose objects; repositories carry 0 so that no push starts it. */
const looseObjects = '6700';

export function createHousekeeping(searchPath: string, deps: { logger: Logger }): Housekeeping {
  const waiting = new Set<string>();
  const stopping = new AbortController();
  let worker: Promise<void> | undefined;

  async function pack(path: string): Promise<void> {
    const settings = {
      'safe.directory': path,
      'gc.auto': looseObjects,
      'gc.autoDetach': 'false',
      ...durable,
      // The reflog is kept for its names: it must not keep alive what a forced push took away.
      'gc.reflogExpireUnreachable': 'now',
    };
    const result = await git({
      args: ['gc', '--auto', '--quiet'],
      cwd: path,
      env: gitEnvironment(searchPath, gitConfigEnvironment(settings)),
      timeoutMs,
      signal: stopping.signal,
    });
    if (result.exitCode !== 0) deps.logger.warn({ stderr: result.stderr, path }, 'git gc failed');
  }

  async function work(): Promise<void> {
    for (const path of waiting) {
      waiting.delete(path);
      if (stopping.signal.aborted) return;
      await pack(path).catch((error: unknown) => {
        if (!stopping.signal.aborted) deps.logger.warn({ err: error, path }, 'git gc could not run');
      });
    }
  }

  return {
    visit(path) {
      if (stopping.signal.aborted) return;
      waiting.add(path);
      worker ??= work().finally(() => {
        worker = undefined;
      });
    },
    async [Symbol.asyncDispose]() {
      stopping.abort(new Error('the git host stops'));
      await worker;
    },
  };
}
