import { TowlineError } from '../../core/errors.ts';
import { untilHealthy } from './health-check.ts';
import type { Instance } from './instance.ts';

/** Waits until it is healthy (`undefined`), has ended, or has had its time. */
export async function whyNotReady(
  instance: Instance,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<TowlineError | undefined> {
  const isOver = new AbortController();
  const hasEnded = instance.ended.then((how) => {
    isOver.abort();
    return unhealthy(withTail(`${how} before it was healthy`, instance));
  });
  const limit = AbortSignal.any([signal, isOver.signal, AbortSignal.timeout(timeoutMs)]);
  const isHealthy = untilHealthy(instance.origin, limit).then(
    () => undefined,
    () => unhealthy(withTail(`did not answer its health check within ${timeoutMs / 1000} s`, instance)),
  );
  return Promise.race([hasEnded, isHealthy]);
}

/** The error for a version that does not come up. */
export function unhealthy(message: string): TowlineError {
  return new TowlineError('unhealthy', message);
}

/** What happened, with the telling line of its output. */
export function withTail(what: string, instance: Instance): string {
  const line = instance.tail.cause();
  return line === '' ? what : `${what}: ${line}`;
}
