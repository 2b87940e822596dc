import type { GitHubApp, HookDelivery } from './github-app.ts';

export interface MissedDeliveriesDeps {
  app: Pick<GitHubApp, 'deliveries' | 'redeliver'>;
  now: () => number;
}

export interface MissedLook {
  /** How many GitHub was asked for; what fails again is seen by the next look. */
  redelivered: number;
  /** How many it will not send again. */
  refused: number;
  /** Milliseconds since the epoch: there is nothing left to look at from before. */
  since: number;
}

/** Has GitHub send again what it could not deliver. */
export interface MissedDeliveries {
  /** Oldest first. `since`: as the look before gave it; `undefined`: as far back as GitHub remembers. Throws `remote_unavailable`. */
  look(since: number | undefined, signal: AbortSignal): Promise<MissedLook>;
}

/** What GitHub tells of one event: all of its attempts. */
interface Attempts {
  guid: string;
  oldest: HookDelivery;
  newest: HookDelivery;
  isDelivered: boolean;
  isRefusedByUs: boolean;
}

/** GitHub remembers them for three days. */
const memoryMs = 3 * 24 * 60 * 60_000;
/** Between attempts while the way in is away: it is not known when it comes back. */
const longestWaitMs = 30 * 60_000;
const maxAtOnce = 2000;

const isAccepted = ({ statusCode }: HookDelivery) => statusCode >= 200 && statusCode < 300;
const isOurRefusal = ({ statusCode }: HookDelivery) => statusCode >= 400 && statusCode < 500;

/**
 * Each attempt waits as long as all before it took. What we answered and refused each time is rarely accepted later, so
 * only the wait of the others has a bound.
 */
function isDue({ oldest, newest, isRefusedByUs }: Attempts, now: number): boolean {
  const lasted = newest.deliveredAt - oldest.deliveredAt;
  return now - newest.deliveredAt >= (isRefusedByUs ? lasted : Math.min(lasted, longestWaitMs));
}

export function createMissedDeliveries({ app, now }: MissedDeliveriesDeps): MissedDeliveries {
  /** Of those that a look can still see. */
  let refused = new Set<string>();

  async function redeliver(due: readonly Attempts[], signal: AbortSignal) {
    const found = { redelivered: 0, refused: 0 };
    for (const { guid, newest } of due) {
      const isAsked = await app.redeliver(newest.id, signal);
      if (!isAsked) refused.add(guid);
      found[isAsked ? 'redelivered' : 'refused'] += 1;
    }
    return found;
  }

  return {
    async look(since, signal) {
      const startedAt = now();
      const all = await attemptsSince(app, Math.max(since ?? 0, startedAt - memoryMs), signal);
      refused = new Set([...refused].filter((guid) => all.has(guid)));
      // The first attempt of what begins with a redelivery is out of GitHub's memory: that was long enough.
      const missed = [...all.values()]
        .filter(({ isDelivered, oldest }) => !isDelivered && !oldest.isRedelivery)
        .filter(({ guid }) => !refused.has(guid))
        .sort((a, b) => a.oldest.deliveredAt - b.oldest.deliveredAt || a.oldest.id - b.oldest.id);
      const due = missed.filter((each) => isDue(each, startedAt)).slice(0, maxAtOnce);
      const found = await redeliver(due, signal);
      const left = missed.find(({ guid }) => !refused.has(guid));
      // Clocks differ a little.
      const settled = startedAt - 60_000;
      return { ...found, since: Math.min(settled, left?.oldest.deliveredAt ?? settled) };
    },
  };
}

async function attemptsSince(
  app: Pick<GitHubApp, 'deliveries'>,
  since: number,
  signal: AbortSignal,
): Promise<Map<string, Attempts>> {
  const found = new Map<string, Attempts>();
  for await (const page of app.deliveries(signal)) {
    for (const delivery of page) {
      if (delivery.deliveredAt < since) return found;
      const { guid } = delivery;
      // Newest first.
      const known = found.get(guid) ?? { newest: delivery, isDelivered: false, isRefusedByUs: true };
      const isDelivered = known.isDelivered || isAccepted(delivery);
      const isRefusedByUs = known.isRefusedByUs && isOurRefusal(delivery);
      found.set(guid, { ...known, guid, oldest: delivery, isDelivered, isRefusedByUs });
    }
  }
  return found;
}
