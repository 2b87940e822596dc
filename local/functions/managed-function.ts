import { isDeepStrictEqual } from 'node:util';
import type { CatalogEntry } from '../../core/catalog.ts';
import type { DeployCause } from '../../core/deploy.ts';
import { catalogEntry } from './catalog-entry.ts';
import { type DesiredFunction, runKey } from './desired-function.ts';
import type { FunctionState } from './function-state.ts';
import type { Runner } from './runner.ts';

/** How far the version that is asked for has come. */
export interface Progress {
  image: string;
  /** `serving`: it takes requests, or sleeps and will. */
  state: 'starting' | 'serving' | 'failed';
  cause: DeployCause | null;
}

export interface ManagedFunctionDeps {
  startRunner: (version: DesiredFunction, isProven: boolean, onChange: (runner: Runner) => void) => Runner;
  /** The version that served before the platform was restarted. */
  lastGood: DesiredFunction | undefined;
  keepLastGood: (version: DesiredFunction) => void;
  now: () => number;
  /** The entry may have changed. */
  onChange: () => void;
}

/** One function: what is asked for, what serves, what is being tried. Its methods only decide; runners do the work. */
export interface ManagedFunction {
  readonly owner: string;
  readonly functionName: string;
  entry(): CatalogEntry;
  progress(): Progress | undefined;
  /** Of every version that runs, is tried, or is gone back to. */
  images(): string[];
  apply(desired: DesiredFunction): void;
  reject(problem: DeployCause): void;
  /** Resolves once all of its processes have ended. It may have been asked for again meanwhile: see `isDeleting`. */
  remove(): Promise<void>;
  isDeleting(): boolean;
  wake(): void;
  touch(): void;
  /** Puts it to sleep if it has been idle since `before` (milliseconds since the epoch). */
  sleepIfIdle(before: number): void;
  /** Whether a start is under way or something is still draining. */
  isBusy(): boolean;
  stop(): Promise<void>;
}

export function createManagedFunction(
  owner: string,
  functionName: string,
  deps: ManagedFunctionDeps,
): ManagedFunction {
  const state: FunctionState = {
    owner,
    functionName,
    desired: undefined,
    problem: undefined,
    current: undefined,
    candidate: undefined,
    asleep: undefined,
    isDeleting: false,
    ownerId: deps.lastGood?.ownerId ?? '',
  };
  const draining = new Set<Promise<void>>();
  let { lastGood } = deps;
  let touchedAt = 0;

  function retire(runner: Runner | undefined): void {
    if (runner === undefined) return;
    const end = runner.stop().finally(() => {
      draining.delete(end);
      deps.onChange();
    });
    draining.add(end);
  }

  function start(version: DesiredFunction, isProven: boolean): Runner {
    return deps.startRunner(version, isProven, onRunnerChange);
  }

  function onRunnerChange(runner: Runner): void {
    if (runner.instance !== undefined) takeOver(runner);
    deps.onChange();
  }

  function takeOver(runner: Runner): void {
    if (runner !== state.candidate && runner !== state.current) return;
    if (runner === state.candidate) {
      const replaced = state.current;
      state.candidate = undefined;
      state.current = runner;
      // The view must name the new one before the old one hears that it is to end.
      deps.onChange();
      retire(replaced);
    }
    state.asleep = undefined;
    touchedAt = deps.now();
    keep(runner.version);
  }

  function keep(version: DesiredFunction): void {
    lastGood = version;
    deps.keepLastGood(version);
  }

  function dropCandidate(): void {
    const dropped = state.candidate;
    state.candidate = undefined;
    retire(dropped);
  }

  /** After a restart of the platform, or out of sleep: what served before serves while the new one is tried. */
  function restore(): void {
    const version = state.asleep ?? lastGood;
    if (state.current === undefined && version !== undefined) state.current = start(version, true);
  }

  /** Only where the version came from may have changed: no process is touched. */
  function adopt(desired: DesiredFunction): boolean {
    const key = runKey(desired);
    if (state.current?.key === key) {
      state.current.version = desired;
      if (state.current.instance !== undefined) keep(desired);
      dropCandidate();
      return true;
    }
    if (state.current === undefined && state.asleep !== undefined && runKey(state.asleep) === key) {
      state.asleep = desired;
      keep(desired);
      dropCandidate();
      return true;
    }
    if (state.candidate?.key !== key) return false;
    const { version, failure } = state.candidate;
    // A new deploy of a version that failed is a wish to try it now: its artifact may be there again.
    if (failure !== undefined && !isDeepStrictEqual(version, desired)) return false;
    state.candidate.version = desired;
    return true;
  }

  return {
    owner,
    functionName,
    entry: () => catalogEntry(state),
    progress: () => progressOf(state),
    images() {
      const { desired, current, candidate, asleep } = state;
      const versions = [desired, current?.version, candidate?.version, asleep, lastGood];
      return versions.flatMap((version) => (version === undefined ? [] : [version.image]));
    },
    apply(desired) {
      Object.assign(state, { desired, ownerId: desired.ownerId, problem: undefined, isDeleting: false });
      if (!adopt(desired)) {
        restore();
        if (!adopt(desired)) {
          dropCandidate();
          state.candidate = start(desired, false);
        }
      }
      deps.onChange();
    },
    reject(problem) {
      state.problem = problem;
      state.isDeleting = false;
      dropCandidate();
      if (state.asleep === undefined) restore();
      deps.onChange();
    },
    async remove() {
      const { current } = state;
      Object.assign(state, { isDeleting: true, desired: undefined, problem: undefined });
      Object.assign(state, { current: undefined, asleep: undefined });
      lastGood = undefined;
      dropCandidate();
      retire(current);
      deps.onChange();
      while (draining.size > 0) await Promise.all(draining);
    },
    isDeleting: () => state.isDeleting,
    wake() {
      if (state.asleep !== undefined && state.current === undefined)
        state.current = start(state.asleep, true);
    },
    touch() {
      touchedAt = deps.now();
    },
    sleepIfIdle(before) {
      const { current } = state;
      if (current?.instance === undefined || state.candidate !== undefined || touchedAt > before) return;
      state.asleep = current.version;
      state.current = undefined;
      deps.onChange();
      retire(current);
    },
    isBusy: () => draining.size > 0 || isStarting(state.candidate) || isStarting(state.current),
    async stop() {
      const { current } = state;
      state.current = undefined;
      dropCandidate();
      retire(current);
      while (draining.size > 0) await Promise.all(draining);
    },
  };
}

function isStarting(runner: Runner | undefined): boolean {
  return runner !== undefined && runner.instance === undefined && runner.failure === undefined;
}

function progressOf(state: FunctionState): Progress | undefined {
  const { desired, current, candidate, asleep } = state;
  if (desired === undefined) return undefined;
  const { image } = desired;
  const key = runKey(desired);
  if (current?.key === key && current.instance !== undefined) return { image, state: 'serving', cause: null };
  if (asleep !== undefined && runKey(asleep) === key && current?.failure === undefined) {
    return { image, state: 'serving', cause: null };
  }
  const failure = (current?.key === key ? current : candidate)?.failure;
  return failure === undefined
    ? { image, state: 'starting', cause: null }
    : { image, state: 'failed', cause: failure };
}
