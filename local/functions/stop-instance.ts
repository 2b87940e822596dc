import { delay } from '../../runtime/lifecycle.ts';
import type { Instance } from './instance.ts';

export interface StopOptions {
  /** Milliseconds in which requests that were already on their way still arrive. */
  delayMs: number;
  /** Milliseconds for finishing what it has begun. */
  timeoutMs: number;
  /** The platform ends: the delay is skipped and at most `closingTimeoutMs` are left. */
  closing: AbortSignal;
  closingTimeoutMs: number;
}

/** Lets an instance finish, then ends it; resolves when nothing of it is left. */
export async function stopInstance(instance: Instance, options: StopOptions): Promise<void> {
  const { closing } = options;
  await Promise.race([instance.ended, delay(options.delayMs, closing).catch(() => undefined)]);
  instance.terminate();
  const isOver = new AbortController();
  const kill = () => instance.kill();
  const timers = [setTimeout(kill, options.timeoutMs)];
  const hurry = () => timers.push(setTimeout(kill, options.closingTimeoutMs));
  if (closing.aborted) hurry();
  else closing.addEventListener('abort', hurry, { once: true, signal: isOver.signal });
  await instance.ended;
  isOver.abort();
  for (const timer of timers) clearTimeout(timer);
}
