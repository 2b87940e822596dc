import type { WriteOutcome } from '../../core/manifest-writer.ts';
import type { WaitingDeploy, WaitingStore } from './waiting-store.ts';

export interface ReleaserOptions {
  waiting: WaitingStore;
  /** Asks the remote for the newest head; called before a look that nothing else caused. */
  refresh(): Promise<unknown>;
  /** Whether it is still to wait, as of the newest known head. */
  waitsOn(deploy: WaitingDeploy): Promise<boolean>;
  release(path: string): Promise<WriteOutcome>;
  onError(error: unknown): void;
  /** Milliseconds between looks while something waits: a person may resume a function in git itself. */
  everyMs: number;
}

export interface Releaser extends AsyncDisposable {
  /** Releases what waits for functions that are no longer held, and ends what is out of date. */
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
      const deploy = waiting.deploy(path);
      if (!deploy || (await options.waitsOn(deploy))) continue;
      const { buildId } = deploy.intent;
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
