import assert from 'node:assert/strict';
import type { CatalogEntry } from '../../core/catalog.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { createLogger } from '../../runtime/logger.ts';
import { createWorkshop, type Workshop } from './artifact-fixture.ts';
import { createSupervisor, type Supervisor, type SupervisorDeps, type SupervisorOptions } from './index.ts';

export interface Bench {
  workshop(): Promise<Workshop>;
  supervise(
    shop: Workshop,
    options?: Partial<SupervisorOptions>,
    deps?: Partial<SupervisorDeps>,
  ): Promise<Supervisor>;
  /** Disposes of everything made since the last call, newest first. */
  clear(): Promise<void>;
}

/** For tests: supervisors with short times. */
export function createBench(searchPath: string): Bench {
  const open: AsyncDisposable[] = [];
  return {
    async workshop() {
      const created = await createWorkshop();
      open.push(created);
      return created;
    },
    async supervise(shop, options = {}, deps = {}) {
      const supervisor = await createSupervisor(
        {
          artifactsDir: shop.artifactsDir,
          stateDir: shop.stateDir,
          path: searchPath,
          drainDelayMs: 20,
          restart: { firstMs: 1, maxMs: 20, resetAfterMs: 60_000 },
          retry: { firstMs: 20, maxMs: 20 },
          ...options,
        },
        { logger: createLogger({ level: 'silent', name: 'test' }), events: createEventBus(), ...deps },
      );
      open.push(supervisor);
      return supervisor;
    },
    async clear() {
      for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
    },
  };
}

/** Resolves with the first entry of alice/hello that fits. */
export function until(
  supervisor: Supervisor,
  fits: (entry: CatalogEntry | undefined) => boolean,
): Promise<CatalogEntry | undefined> {
  return new Promise((resolve) => {
    const check = () => {
      const entry = supervisor.lookup('alice', 'hello');
      if (!fits(entry)) return;
      unsubscribe();
      resolve(entry);
    };
    const unsubscribe = supervisor.subscribe(check);
    check();
  });
}

export function ready(supervisor: Supervisor): Promise<CatalogEntry | undefined> {
  return until(supervisor, (entry) => entry?.status === 'Ready');
}

/** Where alice/hello takes requests now. */
export function originOf(supervisor: Supervisor): string {
  const target = supervisor.lookup('alice', 'hello')?.targets[0];
  assert.ok(target, 'nothing takes requests');
  return target.origin;
}

export async function ask(supervisor: Supervisor): Promise<{ text: string; pid: number }> {
  const response = await fetch(originOf(supervisor));
  assert.equal(response.status, 200);
  return { text: await response.text(), pid: Number(response.headers.get('x-pid')) };
}
