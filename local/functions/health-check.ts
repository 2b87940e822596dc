import { request } from 'node:http';
import { delay } from '../../runtime/lifecycle.ts';

const probeTimeoutMs = 2_000;

/**
 * Resolves once something at `origin` answers `/_/health` over HTTP. 503 means "not yet"; every other status
 * means that it serves, since not every template knows that path. Rejects with the signal's reason.
 */
export async function untilHealthy(origin: string, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  for (;;) {
    const status = await probe(origin, probeTimeoutMs, signal);
    signal.throwIfAborted();
    if (status !== undefined && status !== 503) return;
    await delay(pauseMs(performance.now() - startedAt), signal);
  }
}

/** Dense while a start is normally decided, sparse for those that take long. */
function pauseMs(elapsedMs: number): number {
  if (elapsedMs < 1_000) return 8;
  return elapsedMs < 5_000 ? 50 : 200;
}

/** The status that it answers with; `undefined`: none in time. */
export function probe(origin: string, timeoutMs: number, signal: AbortSignal): Promise<number | undefined> {
  return new Promise((resolve) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const call = request(`${origin}/_/health`, { agent: false, signal: limit });
    call.on('response', (response) => {
      resolve(response.statusCode);
      response.destroy();
    });
    call.on('error', () => resolve(undefined));
    call.end();
  });
}
