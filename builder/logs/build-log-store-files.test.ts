import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeBuildLogStore } from './build-log-store.contract.ts';
import type { BuildLogStore } from './build-log-store.ts';
import { createFileLogStore } from './build-log-store-files.ts';

const maxBytes = 100_000;

describeBuildLogStore('files', maxBytes, () => {
  const dir = mkdtempSync(join(tmpdir(), 'towline-logs-'));
  const onError = (error: unknown) => {
    throw error;
  };
  const stores: BuildLogStore[] = [];
  const reopen = () => {
    const store = createFileLogStore({ dir: join(dir, 'logs'), maxBytes, onError });
    stores.push(store);
    return store;
  };
  return {
    store: reopen(),
    reopen,
    tear: (pushId) => appendFileSync(join(dir, 'logs', `${pushId}.ndjson`), '{"n":3,"time":5,"te'),
    dispose: async () => {
      for (const store of stores) await store[Symbol.asyncDispose]();
      const outside = readdirSync(dir).filter((name) => name !== 'logs');
      rmSync(dir, { recursive: true });
      if (outside.length > 0) throw new Error(`files outside of the folder: ${outside}`);
    },
  };
});
