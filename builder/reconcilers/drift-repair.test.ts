import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { CatalogChange, CatalogEntry, FunctionCatalog } from '../../core/catalog.ts';
import { createLogger } from '../../runtime/logger.ts';
import { createDriftRepair, type DriftRepairOptions } from './drift-repair.ts';

const logger = createLogger({ name: 'test', level: 'silent' });
const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

/** A catalog in memory, and whom the engine was asked for. */
function scene(options: Partial<DriftRepairOptions> = {}) {
  const entries = new Map<string, CatalogEntry>();
  const listeners = new Set<(change: CatalogChange) => void>();
  const asked: string[] = [];
  let wake: () => void = () => undefined;
  const catalog = {
    lookup: (owner: string, name: string) => entries.get(`${owner}/${name}`),
    list: (owner?: string) => [...entries.values()].filter((one) => one.owner === owner),
    subscribe(listener: (change: CatalogChange) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  } as unknown as FunctionCatalog;
  open.push(
    createDriftRepair({
      ...{ catalog, logger, settleMs: 1, retry: { firstMs: 2, maxMs: 4 } },
      isWanted: async () => true,
      async ask(owner) {
        asked.push(owner);
        wake();
      },
      ...options,
    }),
  );
  return {
    asked,
    tell(owner: string, functionName: string, is: { drift?: string } | undefined) {
      const entry = is && ({ owner, functionName, ...is } as CatalogEntry);
      if (entry) entries.set(`${owner}/${functionName}`, entry);
      else entries.delete(`${owner}/${functionName}`);
      for (const listener of listeners) listener({ owner, functionName, entry });
    },
    /** Resolves when the engine has been asked so often. */
    times: (n: number) =>
      new Promise<void>((resolve) => {
        wake = () => {
          if (asked.length >= n) resolve();
        };
        wake();
      }),
  };
}

/** Longer than everything above waits, so that what did not happen by then would have. */
const rest = () => new Promise((resolve) => setTimeout(resolve, 40));

describe('what differs from git', () => {
  it('is put right: the engine is asked for its owner, until it is as git says', async () => {
    const { asked, tell, times } = scene();
    tell('alice', 'hello', { drift: 'image changed' });
    tell('bob', 'hello', {});
    await times(3);
    tell('alice', 'hello', {});
    await rest();
    const ended = asked.length;
    await rest();
    assert.equal(asked.length, ended);
    assert.deepEqual(new Set(asked), new Set(['alice']));
  });

  it('is asked for again when the engine could not be reached', async () => {
    let tries = 0;
    const done = Promise.withResolvers<void>();
    const { tell } = scene({
      async ask() {
        tries += 1;
        if (tries < 3) throw new Error('away');
        done.resolve();
      },
    });
    tell('alice', 'hello', undefined);
    await done.promise;
    assert.equal(tries, 3);
  });
});

describe('a function that is gone', () => {
  it('is asked for if git still wants it, and not if it was pruned', async () => {
    const { asked, tell, times } = scene({ isWanted: async (_, name) => name === 'wanted' });
    tell('bob', 'pruned', undefined);
    tell('alice', 'wanted', undefined);
    await times(1);
    tell('alice', 'wanted', {});
    await rest();
    assert.deepEqual(new Set(asked), new Set(['alice']));
  });

  it('that is back by itself costs nothing', async () => {
    const { asked, tell } = scene();
    tell('alice', 'hello', undefined);
    tell('alice', 'hello', {});
    await rest();
    assert.deepEqual(asked, []);
  });
});
