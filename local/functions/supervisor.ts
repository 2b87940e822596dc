import type { CatalogChange, CatalogEntry, FunctionCatalog } from '../../core/catalog.ts';
import type { DeployCause } from '../../core/deploy.ts';
import { TowlineError } from '../../core/errors.ts';
import type { EventBus } from '../../core/events.ts';
import type { FunctionOutput } from '../../core/function-output.ts';
import { createChangeSignal } from '../../runtime/change-signal.ts';
import { delay } from '../../runtime/lifecycle.ts';
import type { Logger } from '../../runtime/logger.ts';
import { type SupervisorOptions, supervisorDefaults } from './config.ts';
import type { DesiredFunction } from './desired-function.ts';
import { createManagedFunction, type ManagedFunction, type Progress } from './managed-function.ts';
import { outputLines } from './output-lines.ts';
import { createOutputLog, type OutputLog } from './output-log.ts';
import { processStarter } from './process-starter.ts';
import { startRunner } from './runner.ts';
import type { MakeStarter } from './starter.ts';
import { openStateFolder } from './state-folder.ts';

export interface SupervisorDeps {
  logger: Logger;
  events: EventBus;
  /** What functions run as. Default: processes of this machine. */
  makeStarter?: MakeStarter | undefined;
  /** Milliseconds since the epoch. */
  now?: (() => number) | undefined;
  /** In [0, 1). */
  random?: (() => number) | undefined;
  /** Waits between starts; rejects if the signal aborts. */
  wait?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined;
}

/** Names a function; the supervisor knows no other key. */
export interface FunctionName {
  owner: string;
  functionName: string;
}

/** Runs functions on this machine: the local adapter of the function catalog, and of what functions print. */
export interface Supervisor extends FunctionCatalog, FunctionOutput, AsyncDisposable {
  /** Asks for a version to be what serves. Level-triggered: asking again for the same changes nothing. Throws `name_invalid`. */
  apply(desired: DesiredFunction): void;
  /** Says that what is asked for cannot even be tried; what served goes on. Throws `name_invalid`. */
  reject(name: FunctionName, problem: DeployCause): void;
  /** Stops a function and forgets it; its entry goes once its last process has ended. */
  remove(owner: string, functionName: string): void;
  /** Forgets what is kept of functions that are neither managed nor in `names`. */
  forgetAllBut(names: readonly FunctionName[]): Promise<void>;
  /** Images whose artifacts are needed, whatever the repository says by now. */
  imagesInUse(): string[];
  /** How far the version asked for has come; `undefined` if none is asked for. */
  progress(owner: string, functionName: string): Progress | undefined;
  /** Resolves when no start is under way and nothing drains. */
  settled(owner: string, functionName: string, signal?: AbortSignal): Promise<CatalogEntry | undefined>;
}

const maxIdleCheckMs = 30_000;

/** Takes over a state folder, ends what a killed predecessor left running, and waits for functions to be asked for. */
export async function createSupervisor(
  options: SupervisorOptions,
  deps: SupervisorDeps,
): Promise<Supervisor> {
  const config = { ...supervisorDefaults, ...options };
  const { logger, events } = deps;
  const now = deps.now ?? Date.now;
  const random = deps.random ?? Math.random;
  const wait = deps.wait ?? delay;
  const state = await openStateFolder(config.stateDir, logger);
  const starter = (deps.makeStarter ?? processStarter())(config, {
    marker: state.marker,
    homesDir: state.homesDir,
    logger,
    random,
  });
  const orphans = await starter.endOrphans();
  if (orphans > 0) logger.warn({ orphans }, 'ended what an earlier run left running');
  const closing = new AbortController();

  const functions = new Map<string, ManagedFunction>();
  const entries = new Map<string, CatalogEntry>();
  /** How many functions each owner has. */
  const owners = new Map<string, number>();
  const logs = new Map<string, OutputLog>();
  const listeners = new Set<(change: CatalogChange) => void>();
  const changes = createChangeSignal();

  function announce(name: FunctionName, entry: CatalogEntry | undefined, ownerId: string): void {
    const change = { owner: name.owner, functionName: name.functionName, entry };
    for (const listener of [...listeners]) guarded(() => listener(change));
    guarded(() => events.publish({ type: 'function.changed', ownerId, owner: name.owner, change }));
  }

  /** A listener's mistake must not stop a deploy. */
  function guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      logger.error({ err: error }, 'a listener of the catalog failed');
    }
  }

  function refresh(key: string): void {
    const managed = functions.get(key);
    const entry = managed?.entry();
    if (managed !== undefined && entry !== undefined && !closing.signal.aborted && isNews(key, entry)) {
      if (!entries.has(key)) owners.set(entry.owner, (owners.get(entry.owner) ?? 0) + 1);
      entries.set(key, entry);
      logger.info({ function: key, status: entry.status, reason: entry.reason }, 'function changed');
      announce(managed, entry, entry.ownerId);
    }
    changes.notify();
  }

  function isNews(key: string, entry: CatalogEntry): boolean {
    return JSON.stringify(entry) !== JSON.stringify(entries.get(key));
  }

  function manage(owner: string, functionName: string): ManagedFunction {
    const key = keyOf(owner, functionName);
    const existing = functions.get(key);
    if (existing !== undefined) return existing;
    const log = createOutputLog(state.outputFile(owner, functionName), config.maxLogBytes, logger, now);
    const managed = createManagedFunction(owner, functionName, {
      lastGood: state.lastGood(owner, functionName),
      keepLastGood: state.keepLastGood,
      now,
      onChange: () => refresh(key),
      startRunner: (version, isProven, onChange) =>
        startRunner(version, isProven, config, {
          starter,
          logger,
          now,
          random,
          wait,
          closing: closing.signal,
          onOutput: log.write,
          onChange,
        }),
    });
    functions.set(key, managed);
    logs.set(key, log);
    return managed;
  }

  async function finishRemoval(managed: ManagedFunction): Promise<void> {
    const key = keyOf(managed.owner, managed.functionName);
    await managed.remove();
    await logs.get(key)?.written();
    const isOver = managed.isDeleting() && functions.get(key) === managed;
    if (!isOver || closing.signal.aborted) return;
    forgetManaged(managed, key);
  }

  /** In one turn of the event loop, so that a function asked for again starts from nothing. */
  function forgetManaged(managed: ManagedFunction, key: string): void {
    const { owner, functionName } = managed;
    const ownerId = entries.get(key)?.ownerId ?? '';
    functions.delete(key);
    logs.get(key)?.end();
    logs.delete(key);
    if (entries.delete(key)) {
      const others = (owners.get(owner) ?? 1) - 1;
      if (others === 0) owners.delete(owner);
      else owners.set(owner, others);
    }
    state.forget(owner, functionName);
    announce(managed, undefined, ownerId);
    changes.notify();
  }

  function putIdleToSleep(): void {
    const before = now() - config.idleAfterMs;
    for (const managed of functions.values()) managed.sleepIfIdle(before);
  }

  const idleTimer =
    config.idleAfterMs > 0
      ? setInterval(putIdleToSleep, Math.min(maxIdleCheckMs, Math.ceil(config.idleAfterMs / 4)))
      : undefined;
  idleTimer?.unref();

  async function dispose(): Promise<void> {
    clearInterval(idleTimer);
    closing.abort(new TowlineError('unavailable', 'the platform is stopping'));
    changes.notify();
    await Promise.all([...functions.values()].map((managed) => managed.stop()));
    await starter.cleared();
    // Also what a function started so that it left its process group, whenever that was.
    await starter.endOrphans().catch((error: unknown) => {
      logger.warn({ err: error }, 'something may go on running until the next start');
    });
    await Promise.all([...logs.values()].map((log) => log.written()));
    for (const log of logs.values()) log.end();
    await state.close();
  }
  let disposed: Promise<void> | undefined;

  return {
    lookup: (owner, functionName) => entries.get(keyOf(owner, functionName)),
    hasOwner: (owner) => owners.has(owner),
    list: (owner) =>
      owner === undefined
        ? [...entries.values()]
        : [...entries.values()].filter((entry) => entry.owner === owner),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async wake(owner, functionName, signal) {
      if (!closing.signal.aborted) functions.get(keyOf(owner, functionName))?.wake();
      return changes.until(
        () => awake(entries.get(keyOf(owner, functionName)), functionName),
        signal,
        closing.signal,
      );
    },
    touch: (owner, functionName) => functions.get(keyOf(owner, functionName))?.touch(),
    apply(desired) {
      if (!closing.signal.aborted) manage(desired.owner, desired.functionName).apply(desired);
    },
    reject(name, problem) {
      if (!closing.signal.aborted) manage(name.owner, name.functionName).reject(problem);
    },
    remove(owner, functionName) {
      const managed = functions.get(keyOf(owner, functionName));
      if (managed === undefined) return state.forget(owner, functionName);
      finishRemoval(managed).catch((error: unknown) => {
        logger.error({ err: error, owner, functionName }, 'a removed function could not be cleaned up');
      });
    },
    async forgetAllBut(names) {
      const kept = new Set(names.map((name) => keyOf(name.owner, name.functionName)));
      for (const { owner, functionName } of await state.known()) {
        const key = keyOf(owner, functionName);
        if (!kept.has(key) && !functions.has(key)) state.forget(owner, functionName);
      }
    },
    imagesInUse: () => [...functions.values()].flatMap((managed) => managed.images()),
    async *lines({ owner, functionName }, options, signal) {
      const log = logs.get(keyOf(owner, functionName));
      if (log !== undefined) yield* outputLines(log, functionName, options, signal);
    },
    progress: (owner, functionName) => functions.get(keyOf(owner, functionName))?.progress(),
    async settled(owner, functionName, signal) {
      const key = keyOf(owner, functionName);
      await changes.until(() => (functions.get(key)?.isBusy() ? undefined : true), signal, closing.signal);
      return entries.get(key);
    },
    [Symbol.asyncDispose]: () => {
      disposed ??= dispose();
      return disposed;
    },
  };
}

function keyOf(owner: string, functionName: string): string {
  return `${owner}/${functionName}`;
}

/** The entry once it takes requests, `undefined` while that may still come. Throws `unavailable` if it won't soon: to a visitor. */
function awake(entry: CatalogEntry | undefined, functionName: string): CatalogEntry | undefined {
  if (entry === undefined) throw new TowlineError('unavailable', `there is no function "${functionName}"`);
  if (entry.targets.length > 0) return entry;
  if (entry.status !== 'Failed' && entry.status !== 'Degraded' && entry.status !== 'Deleting')
    return undefined;
  throw new TowlineError(
    'unavailable',
    `"${functionName}" is not running: ${entry.publicReason ?? entry.status}`,
  );
}
