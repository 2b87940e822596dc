import type { Logger } from '../../runtime/logger.ts';
import { customerSource } from './customer-source.ts';
import { type Customers, everybody } from './customers.ts';
import { openListedCustomers } from './listed-customers.ts';

/** From a file's path or a URL; without one everybody is a customer. Throws `config_invalid`. */
export async function openCustomers(
  place: string | undefined,
  { logger, now }: { logger: Logger; now?: (() => number) | undefined },
): Promise<Customers & AsyncDisposable> {
  if (place === undefined) return { ...everybody, [Symbol.asyncDispose]: async () => {} };
  return await openListedCustomers({ read: customerSource(place), logger, now });
}
