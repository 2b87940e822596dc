import type { FairSlots } from '../queue/fair-slots.ts';

export interface LanedTask {
  key: string;
  /** Whose turn it takes. */
  owner: string;
  /** Tasks that share one of these go one after the other, in order. */
  lanes: readonly string[];
  /** `false`: it has to be tried again. Must not throw. */
  run(): Promise<boolean>;
}

export interface LanedWorkDeps {
  /** All that is to be done, in order. */
  tasks(): LanedTask[];
  /** Whether it may be tried then. */
  isDue(key: string, at: number): boolean;
  /** Somebody else is at work on it. */
  isTaken(lane: string): boolean;
  /** Which lanes wait for a task, each time that is looked at, and since when no other look was needed for what was due. */
  onLooked(blocked: ReadonlySet<string>, lookedAt: number): void;
  now(): number;
  slots: FairSlots;
  signal: AbortSignal;
}

/** Does what is to be done in order within its lanes, and at the same time beyond them: each owner has its turn. */
export interface LanedWork {
  /** Resolves when nothing is under way and the rest has to wait. */
  work(): Promise<void>;
  /** There is something new. */
  news(): void;
}

export function createLanedWork(deps: LanedWorkDeps): LanedWork {
  const busy = new Set<string>();
  const running = new Map<string, Promise<void>>();
  /** What is left of the last look at all tasks. */
  let list: LanedTask[] = [];
  let isStale = true;
  let wake: () => void = () => {};
  let working: Promise<void> | undefined;

  async function run(task: LanedTask): Promise<void> {
    try {
      using _slot = await deps.slots.acquire(task.owner, deps.signal);
      if (await task.run()) list = list.filter(({ key }) => key !== task.key);
    } catch (error) {
      if (!deps.signal.aborted) throw error;
    } finally {
      for (const lane of task.lanes) busy.delete(lane);
      running.delete(task.key);
    }
  }

  function begin(task: LanedTask): void {
    for (const lane of task.lanes) busy.add(lane);
    running.set(task.key, run(task));
  }

  function look(): void {
    const lookedAt = deps.now();
    if (isStale) {
      isStale = false;
      list = deps.tasks();
    }
    const blocked = new Set(busy);
    for (const task of list) {
      if (running.has(task.key)) continue;
      const mayGo =
        deps.isDue(task.key, lookedAt) && !task.lanes.some((lane) => blocked.has(lane) || deps.isTaken(lane));
      if (mayGo) begin(task);
      for (const lane of task.lanes) blocked.add(lane);
    }
    deps.onLooked(blocked, lookedAt);
  }

  async function workThrough(): Promise<void> {
    isStale = true;
    while (!deps.signal.aborted) {
      const hasNews = new Promise<void>((resolve) => {
        wake = resolve;
      });
      look();
      if (running.size === 0) return;
      await Promise.race([hasNews, ...running.values()]);
    }
    await Promise.all(running.values());
  }

  return {
    work() {
      isStale = true;
      wake();
      working ??= workThrough().finally(() => {
        working = undefined;
      });
      return working;
    },
    news() {
      isStale = true;
      wake();
    },
  };
}
