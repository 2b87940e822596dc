import { useEffect, useState } from 'preact/hooks';
import { resets } from './store.ts';

export interface Resource<T> {
  data: T | undefined;
  error: unknown;
  reload: () => void;
}

/**
 * Asks when `key` changes (old data goes) and when `revision` changes (old data stays until the new one is there).
 * `load` may be a new function each time; only `key` tells what it asks for.
 */
export function useResource<T>(
  key: string,
  revision: unknown,
  load: (signal: AbortSignal) => Promise<T>,
): Resource<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: unknown }>({ key });
  const [asked, setAsked] = useState(0);
  const reset = resets.value;
  useEffect(() => {
    const abort = new AbortController();
    load(abort.signal).then(
      (data) => {
        if (!abort.signal.aborted) setState({ key, data });
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        setState((old) => (old.key === key ? { ...old, error } : { key, error }));
      },
    );
    return () => abort.abort();
  }, [key, revision, asked, reset]);
  const current = state.key === key ? state : undefined;
  return { data: current?.data, error: current?.error, reload: () => setAsked((count) => count + 1) };
}
