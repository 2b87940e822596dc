import { backoffMs } from '../../runtime/backoff.ts';
import { delay } from '../../runtime/lifecycle.ts';

export interface NudgeOptions {
  send(signal: AbortSignal): Promise<unknown>;
  /** It was tried several times; whatever is polled for will come late. */
  onLost(error: unknown): void;
  retry?: { firstMs: number; maxMs: number; attempts: number } | undefined;
}

/** Sends one at a time: whoever asks while one is on its way gets one more after it, however many they are. */
export interface Nudge extends AsyncDisposable {
  (): void;
}

export function createNudge(options: NudgeOptions): Nudge {
  const { send, onLost, retry = { firstMs: 200, maxMs: 5_000, attempts: 6 } } = options;
  const stopping = new AbortController();
  let isAsked = false;
  let sending: Promise<void> | undefined;

  async function trySending(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await send(stopping.signal);
        return;
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (attempt === retry.attempts) return onLost(error);
        await delay(backoffMs(attempt, retry), stopping.signal).catch(() => {});
      }
    }
  }

  async function run(): Promise<void> {
    while (isAsked && !stopping.signal.aborted) {
      isAsked = false;
      await trySending();
    }
    sending = undefined;
  }

  const nudge = () => {
    isAsked = true;
    sending ??= run();
  };
  return Object.assign(nudge, {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await sending;
    },
  });
}
