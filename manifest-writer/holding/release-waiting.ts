import type { WriteOutcome } from '../../core/manifest-writer.ts';
import type { WaitingStore } from './waiting-store.ts';

export interface ReleaserOptions {
  waiting: WaitingStore;
  /** Asks the remote for the newest head; called before a look that nothing else caused. */
  refresh(): Promise<unknown>;
  /** Whether the function of this file is held on the newest known head. */
  isHeld(path: string): Promise<boolean>;
  release(path: string): Promise<WriteOutcome>;
  onError(error: unknown): void;
  /** Milliseconds between looks while something waits: a person may resume a function in git itself. */
  everyMs: number;
}

export interface Releaser extends AsyncDisposable {
  /** Releases what waits for functions that are no longer held. */
  look(): void;
}

/** Takes up waiting deploys once their function is resumed, whoever resumed it and wherever. */
export function createReleaser(options: ReleaserOptions): Releaser {
  const { waiting } = options;
  let looking: Promise<void> | undefined;
  let again = false;
  let stopped = false;

  async function lookOnce(): Promise<void> {
    for (const path of waiting.deployPaths()) {
      if (stopped) return;
      const buildId = waiting.deploy(path)?.intent.buildId;
      if (buildId === undefined || (await options.isHeld(path))) continue;
      const outcome = await options.release(path);
      // Refused or out of date is an answer too; only another hold lets it wait on.
      if (outcome.type !== 'held') waiting.endDeploy(path, buildId, outcome);
    }
  }

  function look(): void {
    again = true;
    if (stopped) return;
    looking ??= (async () => {
      try {
        while (again && !stopped) {
          again = false;
          await lookOnce();
        }
      } catch (error) {
        if (!stopped) options.onError(error);
      } finally {
        looking = undefined;
      }
    })();
  }

  const timer = setInterval(() => {
    if (stopped || waiting.deployPaths().length === 0) return;
    options.refresh().then(look, () => {});
  }, options.everyMs);
  timer.unref();

  return {
    look,
    async [Symbol.asyncDispose]() {
      stopped = true;
      clearInterval(timer);
      await looking;
    },
  };
}
