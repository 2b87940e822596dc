import { TowlineError } from '../../core/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { createCustomerMatch, parseCustomers } from './customer-list.ts';
import type { Customers } from './customers.ts';

export interface ListedCustomersOptions {
  /** The text of the list; throws if it can't be had. */
  read: (signal: AbortSignal) => Promise<string>;
  logger: Logger;
  /** How often it is read again, in milliseconds. Default: 5 minutes. */
  maxAgeMs?: number | undefined;
  now?: (() => number) | undefined;
}

const defaultMaxAgeMs = 5 * 60_000;
/** After a failure it is tried sooner. */
const retryMs = 10_000;
const timeoutMs = 10_000;

/**
 * Customers from a list that is read again and again, so that whoever was taken off isn't let in once more because nobody
 * asked meanwhile. When it can't be read, or is none, the last good one
 * stays; if there has been none, nobody is a customer yet.
 */
export async function openListedCustomers(
  options: ListedCustomersOptions,
): Promise<Customers & AsyncDisposable> {
  const { read, logger, maxAgeMs = defaultMaxAgeMs, now = Date.now } = options;
  const stop = new AbortController();
  let matches: ReturnType<typeof createCustomerMatch> | undefined;
  let nextAt = 0;
  let reading: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    try {
      const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutMs)]);
      matches = createCustomerMatch(parseCustomers(await read(signal)));
      nextAt = now() + maxAgeMs;
    } catch (error) {
      nextAt = now() + Math.min(retryMs, maxAgeMs);
      if (stop.signal.aborted) return;
      const then = matches ? 'the last one that could is used' : 'nobody is served until it can';
      logger.error({ err: error }, `the list of customers cannot be read; ${then}`);
    }
  }

  function refreshOnce(): Promise<void> {
    reading ??= refresh().finally(() => {
      reading = undefined;
    });
    return reading;
  }

  await refreshOnce();
  const timer = setInterval(() => void refreshOnce(), maxAgeMs).unref();

  return {
    isCustomer(account) {
      if (now() >= nextAt) void refreshOnce();
      if (!matches) throw new TowlineError('unavailable', 'who may use this installation is not known yet');
      return matches(account);
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      stop.abort(new Error('the customers are closed'));
      await reading;
    },
  };
}
