import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from '../runtime/logger.ts';
import type { BuilderConfig } from './config.ts';
import type { DeliveryLog } from './deliveries/delivery-log.ts';
import { createSqliteDeliveryLog } from './deliveries/delivery-log-sqlite.ts';
import { openDatabase } from './deliveries/open-database.ts';
import type { DeployStore } from './deploys/deploy-store.ts';
import { createSqliteDeployStore } from './deploys/deploy-store-sqlite.ts';
import type { BuildLogStore } from './logs/build-log-store.ts';
import { createFileLogStore } from './logs/build-log-store-files.ts';
import { createS3LogStore } from './logs/build-log-store-s3.ts';
import type { BuiltImages } from './reuse/built-images.ts';
import { createSqliteBuiltImages } from './reuse/built-images-sqlite.ts';

/** Where the builder keeps what outlives it. Disposing closes all but a delivery log that was given. */
export interface BuilderStores extends AsyncDisposable {
  /** The folder for clones and build contexts, which is empty. */
  workDir: string;
  /** In WAL mode with `synchronous = FULL`. */
  durable: DatabaseSync;
  /** The same file with `synchronous = NORMAL`: a power cut may take the newest changes. */
  quick: DatabaseSync;
  deliveries: DeliveryLog;
  store: DeployStore;
  builtImages: BuiltImages;
  logs: BuildLogStore;
}

export interface StoresDeps {
  logger: Logger;
  deliveryLog?: DeliveryLog | undefined;
  now: () => number;
}

function openLogs(config: BuilderConfig, logger: Logger): BuildLogStore {
  const { logBucket } = config;
  const options = {
    dir: config.logsDir,
    maxBytes: config.maxLogBytes,
    onError: (error: unknown) => logger.error({ err: error }, 'a build log could not be written'),
  };
  return logBucket ? createS3LogStore({ ...options, bucket: logBucket }) : createFileLogStore(options);
}

export async function openStores(config: BuilderConfig, deps: StoresDeps): Promise<BuilderStores> {
  const { logger, now } = deps;
  const workDir = join(config.workDir, 'builder');
  // Clones and contexts of a run that died.
  await rm(workDir, { recursive: true, force: true, maxRetries: 3 });
  await mkdir(workDir, { recursive: true, mode: 0o700 });
  await mkdir(dirname(config.databasePath), { recursive: true });

  const durable = openDatabase(config.databasePath, 'FULL');
  const quick = openDatabase(config.databasePath, 'NORMAL');
  const deliveries =
    deps.deliveryLog ??
    createSqliteDeliveryLog(durable, (deliveryId, error) =>
      logger.error({ err: error, deliveryId }, 'a delivery cannot be read and is left out'),
    );
  const store = createSqliteDeployStore(quick);
  const builtImages = createSqliteBuiltImages(quick, now);
  const logs = openLogs(config, logger);
  return {
    ...{ workDir, durable, quick, deliveries, store, builtImages, logs },
    async [Symbol.asyncDispose]() {
      await logs[Symbol.asyncDispose]();
      quick.close();
      durable.close();
    },
  };
}
