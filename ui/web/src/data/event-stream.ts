import { signal } from '@preact/signals';
import type { PlatformEvent } from '../../../../core/events.ts';
import { apiPaths } from '../../../../core/paths.ts';
import { getJson } from './api-client.ts';
import { applyEvent, refetchAll } from './store.ts';

export interface Connection {
  state: 'connecting' | 'open' | 'lost';
  /** When the page was last known to be up to date. */
  since: number;
}

/** core/api.ts has the list too, with zod behind it, which must not get into the page. */
const eventNames = [
  'push.changed',
  'function.changed',
  'history.changed',
  'removals.changed',
] satisfies PlatformEvent['type'][];

/** A shorter break is not worth a word. */
const bannerDelayMs = 300;
/** The browser gives up for good on an answer that is not a stream (login over, proxy error): then we try. */
const reopenMs = 2000;

export const connection = signal<Connection>({ state: 'connecting', since: Date.now() });

/** The tab's one event stream. Returns the way to close it. */
export function openEventStream(): () => void {
  let source: EventSource;
  let bannerTimer: ReturnType<typeof setTimeout> | undefined;
  let reopenTimer: ReturnType<typeof setTimeout> | undefined;
  let wasLost = false;

  const lost = () => {
    wasLost = true;
    bannerTimer ??= setTimeout(() => {
      connection.value = { state: 'lost', since: connection.value.since };
    }, bannerDelayMs);
    if (source.readyState !== EventSource.CLOSED) return;
    // Tells whether the session is over: a 401 leads to the login.
    getJson(apiPaths.me()).catch(() => undefined);
    reopenTimer = setTimeout(open, reopenMs * (1 + Math.random()));
  };
  const opened = () => {
    clearTimeout(bannerTimer);
    bannerTimer = undefined;
    connection.value = { state: 'open', since: Date.now() };
    if (wasLost) refetchAll();
    wasLost = false;
  };
  const received = (message: MessageEvent<string>) => {
    connection.value = { state: 'open', since: Date.now() };
    applyEvent(JSON.parse(message.data) as PlatformEvent);
  };
  function open(): void {
    source = new EventSource(apiPaths.events());
    source.addEventListener('open', opened);
    source.addEventListener('error', lost);
    source.addEventListener('reset', refetchAll);
    for (const name of eventNames) source.addEventListener(name, received);
  }
  open();
  return () => {
    clearTimeout(bannerTimer);
    clearTimeout(reopenTimer);
    source.close();
  };
}
