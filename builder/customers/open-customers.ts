import type { Logger } from '../../runtime/logger.ts';
import type { ForgesConfig } from '../webhooks/forge-intake.ts';
import { customerSource } from './customer-source.ts';
import { type Customers, everybody } from './customers.ts';
import { openListedCustomers } from './listed-customers.ts';

/** From the file or the URL that is configured; without one everybody is a customer. Throws `config_invalid`. */
export async function openCustomers(
  { customers: place, github, gitlab, gitea }: ForgesConfig,
  { logger, now }: { logger: Logger; now?: (() => number) | undefined },
): Promise<Customers & AsyncDisposable> {
  if (place !== undefined) return await openListedCustomers({ read: customerSource(place), logger, now });
  if (github ?? gitlab ?? gitea) {
    logger.warn(
      'TOWLINE_CUSTOMERS is not set: whoever can install the App, or has the secret of a webhook, may deploy here',
    );
  }
  return { ...everybody, [Symbol.asyncDispose]: async () => {} };
}
