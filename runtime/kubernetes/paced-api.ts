import type { ClusterApi } from './cluster-api.ts';

/**
 * Asks for no more than `atOnce` things at a time, in order; a watch counts until the server has accepted it. For whoever
 * follows so much that beginning everywhere at once would be an assault on the API server.
 */
export function pacedApi(api: ClusterApi, atOnce: number): ClusterApi {
  const waiting = new Set<() => void>();
  let free = atOnce;

  function leave(): void {
    const [next] = waiting;
    if (next === undefined) free += 1;
    else {
      waiting.delete(next);
      next();
    }
  }

  function enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (free > 0) {
      free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const go = () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      };
      const stop = () => {
        waiting.delete(go);
        reject(signal?.reason);
      };
      waiting.add(go);
      signal?.addEventListener('abort', stop, { once: true });
    });
  }

  return {
    async request(path, request) {
      await enter(request?.signal);
      return api.request<never>(path, request).finally(leave);
    },
    async *lines(path, watch) {
      await enter(watch.signal);
      let isOpening = true;
      const opened = () => {
        if (isOpening) leave();
        isOpening = false;
      };
      try {
        yield* api.lines(path, {
          ...watch,
          onOpen() {
            opened();
            watch.onOpen?.();
          },
        });
      } finally {
        opened();
      }
    },
  };
}
