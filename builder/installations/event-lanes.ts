import type { InstallationEvent } from '../../core/forge-events.ts';
import { backoffMs } from '../../runtime/backoff.ts';

/**
 * What an event is about. Events that share one of these are acted on in order; one that has to wait holds up no others.
 * GitLab is asked for each project by itself, so that its projects don't wait for each other either.
 */
export function lanesOf(
  event: InstallationEvent,
  ownerOf: (repositoryId: string) => string | undefined,
): string[] {
  const { scm } = event;
  const refs =
    event.type === 'repository'
      ? [event.repository]
      : event.type === 'account-renamed'
        ? []
        : event.repositories;
  const accounts = refs.map(({ id }) => ownerOf(id));
  if (event.type === 'account-renamed') accounts.push(event.account.id);
  if ('installation' in event) accounts.push(event.installation?.account.id);
  const lanes = new Set(refs.map(({ id }) => `${scm}:repository:${id}`));
  for (const id of accounts) {
    if (id !== undefined && scm === 'github') lanes.add(`${scm}:account:${id}`);
  }
  return [...lanes];
}

/** When what failed is tried again; `done` has to be told of each that ends. */
export interface Patience {
  isDue(key: string, at?: number): boolean;
  failed(key: string): void;
  done(key: string): void;
  /** How often it has failed since. */
  tries(key: string): number;
  /** Milliseconds since the epoch; `undefined`: it may be tried now. */
  at(key: string): number | undefined;
  /**
   * The first that was not due yet when all were looked at, at `lookedAt`. What was due then needs no other look by the
   * clock: it is under way, or begins when what it waits for ends. `undefined`: there is none.
   */
  nextAt(lookedAt: number): number | undefined;
}

export function createPatience(retry: { firstMs: number; maxMs: number }, now: () => number): Patience {
  const waits = new Map<string, { tries: number; at: number }>();
  return {
    isDue: (key, at = now()) => (waits.get(key)?.at ?? 0) <= at,
    failed(key) {
      const tries = (waits.get(key)?.tries ?? 0) + 1;
      waits.set(key, { tries, at: now() + backoffMs(tries, retry) });
    },
    done: (key) => void waits.delete(key),
    tries: (key) => waits.get(key)?.tries ?? 0,
    at: (key) => waits.get(key)?.at,
    nextAt(lookedAt) {
      let first: number | undefined;
      for (const { at } of waits.values()) if (at > lookedAt && at < (first ?? Infinity)) first = at;
      return first;
    },
  };
}
