import { gitEnvironment, gitOutput } from '../../runtime/git.ts';
import type { Logger } from '../../runtime/logger.ts';
import { durable } from './durability.ts';
import type { Housekeeping } from './housekeeping.ts';
import { removeStaleLocks } from './stale-locks.ts';

export interface GitOpsUpkeepConfig {
  /** Of the bare GitOps repository. */
  gitopsPath: string;
  /** PATH of the children. */
  path: string;
  /** How often stale locks are looked for, in milliseconds. */
  everyMs: number;
}

/** Every how many rounds the repository is offered for packing: each deploy adds a few objects, by path, past this host. */
const packEvery = 120;
const settings = { ...durable, 'receive.autogc': 'false', 'gc.auto': '0' };

/**
 * Keeps the GitOps repository fit for whoever pushes to it by path: such a push sees only the repository's own
 * configuration, and one stale lock would stop every deploy. Must be started before anybody pushes.
 */
export async function startGitOpsUpkeep(
  config: GitOpsUpkeepConfig,
  deps: { housekeeping: Housekeeping; logger: Logger },
): Promise<AsyncDisposable> {
  const { gitopsPath } = config;

  async function freeLocks(olderThanMs?: number): Promise<void> {
    const removed = await removeStaleLocks(gitopsPath, olderThanMs);
    if (removed.length > 0)
      deps.logger.warn({ removed }, 'stale locks of the GitOps repository were removed');
  }

  // Nobody else runs yet, so that no lock has a living owner.
  await freeLocks(0);
  for (const [name, value] of Object.entries(settings)) {
    const args = ['config', '--file', 'config', '--replace-all', name, value];
    await gitOutput({ args, cwd: gitopsPath, env: gitEnvironment(config.path) });
  }
  deps.housekeeping.visit(gitopsPath);

  let round = 0;
  let working: Promise<void> | undefined;
  const timer = setInterval(() => {
    round += 1;
    if (round % packEvery === 0) deps.housekeeping.visit(gitopsPath);
    working ??= freeLocks()
      .catch((error: unknown) => deps.logger.error({ err: error }, 'stale locks could not be looked for'))
      .finally(() => {
        working = undefined;
      });
  }, config.everyMs);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await working;
    },
  };
}
