import type { RequestListener, ServerResponse } from 'node:http';

/** What a program says of itself. */
export interface Health {
  /** `undefined`: it takes requests. Otherwise why it does not, for operators. */
  whyNotReady(): string | undefined | Promise<string | undefined>;
  /** What else operators should know, ready or not: what is served from memory, as while the API server is away. */
  details?: (() => Record<string, string>) | undefined;
}

function answer(response: ServerResponse, status: number, body: Record<string, string>): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}

/**
 * `/healthz`: the program lives. `/readyz`: it takes requests; 503 says why not. Everything else is `others`', which may
 * not be there yet.
 */
export function internalFront(health: Health, others: () => RequestListener | undefined): RequestListener {
  async function readiness(response: ServerResponse): Promise<void> {
    const reason = await Promise.resolve()
      .then(() => health.whyNotReady())
      .catch((error: unknown) => (error instanceof Error ? error.message : 'an unknown error'));
    const details = health.details?.();
    if (reason === undefined) return answer(response, 200, { ...details, status: 'ready' });
    answer(response, 503, { ...details, status: 'unavailable', reason });
  }

  return (request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0];
    if (path === '/healthz') return answer(response, 200, { status: 'ok' });
    if (path === '/readyz') return void readiness(response);
    const handle = others();
    if (handle) return handle(request, response);
    answer(response, 404, { status: 'there is nothing here' });
  };
}

/**
 * Not ready until `ask` has resolved once; from then on what it asks may go away again. Asked by the probes, one at a
 * time, and never waited for: a probe has no time.
 */
export function readyOnce(ask: () => Promise<unknown>, what: string): () => string | undefined {
  let state: 'unknown' | 'asking' | 'reached' = 'unknown';
  let reason = `${what} has not answered yet`;
  return () => {
    if (state === 'unknown') {
      state = 'asking';
      ask().then(
        () => {
          state = 'reached';
        },
        (error: unknown) => {
          state = 'unknown';
          reason = `${what}: ${error instanceof Error ? error.message : 'an unknown error'}`;
        },
      );
    }
    return state === 'reached' ? undefined : reason;
  };
}
