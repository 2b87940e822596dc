import type { ReportOutcome } from './outbox.ts';

/** What a forge answered, or `undefined` if it didn't. */
export interface ForgeRefusal {
  status: number | undefined;
  message: string;
  /** By its lower-case name. */
  header(name: string): string | undefined;
}

const number = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : undefined;

/** No forge is trusted to keep us waiting for longer. */
const longestWaitMs = 2 * 60 * 60_000;

function limitedUntil({ header }: ForgeRefusal, now: number): number | undefined {
  const after = number(header('retry-after'));
  if (after !== undefined) return now + after * 1000;
  const remaining = header('x-ratelimit-remaining') ?? header('ratelimit-remaining');
  const reset = number(header('x-ratelimit-reset') ?? header('ratelimit-reset'));
  // A second more: clocks differ.
  return remaining === '0' && reset !== undefined ? reset * 1000 + 1000 : undefined;
}

/** What to do about a request that failed. Limits of GitHub (primary and secondary) and of GitLab are told by headers. */
export function outcomeOf(refusal: ForgeRefusal, now: number): ReportOutcome {
  const { status, message } = refusal;
  const reason = `${status ?? 'no answer'}: ${message}`.slice(0, 500);
  const until = limitedUntil(refusal, now);
  const isLimit = status === 429 || (status === 403 && (until !== undefined || /rate limit/i.test(message)));
  if (isLimit) {
    // GitHub asks for a minute if it does not say how long.
    const retryAt = Math.min(until ?? now + 60_000, now + longestWaitMs);
    return { type: 'later', reason, holds: 'owner', retryAt };
  }
  if (status === undefined || status >= 500) {
    const retryAt = until === undefined ? undefined : Math.min(until, now + longestWaitMs);
    return { type: 'later', reason, holds: 'forge', retryAt };
  }
  // The credentials are wrong just now: so they are for all that is this owner's.
  if (status === 401) return { type: 'later', reason, holds: 'owner' };
  // A lock that somebody else holds.
  if ([408, 409, 423, 425].includes(status)) return { type: 'later', reason, holds: 'report' };
  return { type: 'refused', reason };
}
