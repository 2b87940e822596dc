import type { GitHubApp, HookDelivery } from './github-app.ts';

export interface MissedDeliveriesDeps {
  app: GitHubApp;
  /** Milliseconds since the epoch: everything before is settled. `undefined`: as far back as GitHub remembers. */
  since: number | undefined;
  now: () => number;
  signal: AbortSignal;
}

/** What GitHub tells of one event: all of its attempts. */
interface Attempts {
  guid: string;
  firstAt: number;
  newest: HookDelivery;
  count: number;
  isDelivered: boolean;
}

/** GitHub remembers them for three days. */
const memoryMs = 3 * 24 * 60 * 60_000;
/** A delivery that we refuse each time is not asked for for ever. */
const maxAttempts = 4;
const maxAtOnce = 2000;

const isAccepted = ({ statusCode }: HookDelivery) => statusCode >= 200 && statusCode < 300;

/**
 * Has GitHub send again what it could not deliver, oldest first. Gives how many that were, and since when there is
 * something left to look at: what fails again is seen by the next look. Throws `remote_unavailable`.
 */
export async function redeliverMissed(
  deps: MissedDeliveriesDeps,
): Promise<{ redelivered: number; since: number }> {
  const { app, now, signal } = deps;
  const startedAt = now();
  const since = Math.max(deps.since ?? 0, startedAt - memoryMs);
  const missed = [...(await attemptsSince(app, since, signal)).values()]
    .filter(({ isDelivered, count }) => !isDelivered && count < maxAttempts)
    .sort((a, b) => a.firstAt - b.firstAt || a.newest.id - b.newest.id);
  let redelivered = 0;
  for (const { newest } of missed) {
    if (redelivered >= maxAtOnce) break;
    await app.redeliver(newest.id, signal);
    redelivered += 1;
  }
  // Clocks differ a little.
  const settled = startedAt - 60_000;
  return { redelivered, since: Math.min(settled, missed[0]?.firstAt ?? settled) };
}

async function attemptsSince(
  app: GitHubApp,
  since: number,
  signal: AbortSignal,
): Promise<Map<string, Attempts>> {
  const found = new Map<string, Attempts>();
  for await (const page of app.deliveries(signal)) {
    for (const delivery of page) {
      if (delivery.deliveredAt < since) return found;
      const { guid } = delivery;
      // Newest first.
      const known = found.get(guid) ?? { guid, firstAt: 0, newest: delivery, count: 0, isDelivered: false };
      known.firstAt = delivery.deliveredAt;
      known.count += 1;
      known.isDelivered ||= isAccepted(delivery);
      found.set(guid, known);
    }
  }
  return found;
}
