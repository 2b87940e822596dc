import type { ConfigOf, Settings } from '../../../runtime/config.ts';
import type { Logger } from '../../../runtime/logger.ts';
import { fileSetting, readSecretFile } from '../../../runtime/program/secret-file.ts';
import type { DeliveryLog } from '../delivery-log.ts';
import { openPostgresDeliveryLog } from './delivery-log-postgres.ts';

const variable = 'TOWLINE_DELIVERIES_URL_FILE';

export const deliverySettings = {
  deliveriesUrlFile: {
    env: variable,
    schema: fileSetting().optional(),
    defaultText: 'none: SQLite in `TOWLINE_DATA`',
    description:
      'A mounted secret with the URL of the PostgreSQL database that deliveries are kept in, as `postgresql://user:password@host/database`.',
  },
} satisfies Settings;

/**
 * `undefined`: the builder keeps deliveries in its own file. A builder that others take for dead ends its process, which
 * has to begin anew under another number.
 */
export async function deliveryLogBySettings(
  { deliveriesUrlFile }: ConfigOf<typeof deliverySettings>,
  logger: Logger,
): Promise<(DeliveryLog & AsyncDisposable) | undefined> {
  if (deliveriesUrlFile === undefined) return undefined;
  const log = await openPostgresDeliveryLog({
    url: readSecretFile(deliveriesUrlFile, variable),
    onError: (error) => logger.warn({ err: error }, 'the database of the deliveries is away'),
    onUnreadable: (deliveryId, error) =>
      logger.error({ err: error, deliveryId }, 'a delivery cannot be read and is left out'),
  });
  log.lost?.addEventListener('abort', () => {
    queueMicrotask(() => {
      throw log.lost?.reason;
    });
  });
  return log;
}
