import type { RefTargets } from '../../core/environments.ts';
import type { Person } from '../../core/source-event.ts';
import { type Delivery, laneKey } from '../deliveries/delivery-log.ts';
import type { PushJournal } from '../deploys/push-journal.ts';
import { Cancelled, type PushTask, Superseded } from '../pipeline/pipeline-context.ts';
import type { Processed } from '../pipeline/process-push.ts';
import { laneOf, superseded, whySkipped } from './precedence.ts';
import { createRecentMoves } from './recent-moves.ts';

export interface PushQueueDeps {
  openJournal: (delivery: Delivery) => PushJournal;
  process: (task: PushTask) => Promise<Processed>;
  refs: RefTargets;
  /** What a push's ref points to now; `undefined` if it is gone. Asked where pushes don't tell their order. */
  headOf: (delivery: Delivery) => Promise<string | undefined>;
  /** The delivery needs no more work. */
  onDone: (delivery: Delivery) => Promise<void>;
  /** A defect; the delivery is not tried again before a restart. */
  onFault: (delivery: Delivery, error: unknown) => void;
  stopped: AbortSignal;
}

/**
 * One ordered lane per repository and environment, one push of a lane at a time; a lane is free again when its push is
 * committed and either followed to its end or superseded. A repository's deletion is in all of its lanes. Lanes run in
 * parallel: what they may do at once is up to the slots.
 */
export interface PushQueue {
  add(delivery: Delivery): void;
  /** Drops what isn't committed of a push, wherever it is; one that is not here is left alone. */
  cancel(id: string, by: Person): void;
  /** Resolves when nothing is queued or running. */
  idle(): Promise<void>;
}

/** The lanes of one repository. */
interface Lanes {
  running: PushTask[];
  waiting: PushTask[];
}

function describe({ event }: Delivery): string {
  return event.type === 'repository-deleted' ? 'the deletion of its repository' : event.after.slice(0, 7);
}

/** Whether a push says that this is where its ref is. */
function isAt({ event }: Delivery, head: string | undefined): boolean {
  return event.type === 'push' && event.after === head;
}

export function createPushQueue(deps: PushQueueDeps): PushQueue {
  const repositories = new Map<string, Lanes>();
  const unfinished = new Set<Promise<void>>();
  const recent = createRecentMoves();

  /** Kept until it has ended, so that stopping can wait for it. */
  function track(work: Promise<void>): void {
    const tracked = work.finally(() => unfinished.delete(tracked));
    unfinished.add(tracked);
  }

  function createTask(delivery: Delivery): PushTask {
    const controller = new AbortController();
    return {
      delivery,
      journal: deps.openJournal(delivery),
      superseded: controller.signal,
      supersede: (by) => controller.abort(by),
    };
  }

  async function settle(task: PushTask, work: Promise<void>): Promise<void> {
    try {
      await work;
      await deps.onDone(task.delivery);
    } catch (error) {
      if (!deps.stopped.aborted) deps.onFault(task.delivery, error);
    }
  }

  /** Resolves when the lane may go on; the rest of the work is tracked. */
  async function run(task: PushTask): Promise<void> {
    let finished: Promise<void>;
    try {
      ({ finished } = await deps.process(task));
    } catch (error) {
      finished = Promise.reject(error);
    }
    track(settle(task, finished));
  }

  function isSameLane(one: PushTask, other: PushTask): boolean {
    const [first, second] = [one, other].map(({ delivery }) => laneOf(delivery.event, deps.refs));
    return first === undefined || second === undefined || first === second;
  }

  /** The first one that nothing before it in its lane holds up. */
  function nextOf({ running, waiting }: Lanes): PushTask | undefined {
    return waiting.find((task, index) => {
      const before = [...running, ...waiting.slice(0, index)];
      return !before.some((other) => isSameLane(task, other));
    });
  }

  function advance(key: string, lanes: Lanes): void {
    if (deps.stopped.aborted) return;
    for (let task = nextOf(lanes); task; task = nextOf(lanes)) start(key, lanes, task);
    if (lanes.running.length === 0 && lanes.waiting.length === 0) repositories.delete(key);
  }

  function start(key: string, lanes: Lanes, task: PushTask): void {
    lanes.waiting = lanes.waiting.filter((other) => other !== task);
    lanes.running.push(task);
    track(
      run(task).then(() => {
        lanes.running = lanes.running.filter((other) => other !== task);
        advance(key, lanes);
      }),
    );
  }

  /** A waiting push that is superseded ends at once: it needn't wait for its turn to do nothing. */
  function dropSuperseded(lanes: Lanes): void {
    const dropped = lanes.waiting.filter((task) => task.superseded.aborted);
    lanes.waiting = lanes.waiting.filter((task) => !task.superseded.aborted);
    for (const task of dropped) track(run(task));
  }

  function applyPrecedence(task: PushTask, others: readonly PushTask[]): void {
    const known = [...recent.of(task.delivery), ...others.map(({ delivery }) => delivery)];
    const verdicts = others.map((other) => ({
      other,
      loser: superseded(task.delivery, other.delivery, known),
    }));
    // What arrived too late for one of them is no news for any.
    const newer = verdicts.find(({ loser }) => loser === 'later')?.other;
    if (newer) {
      task.supersede(new Superseded(describe(newer.delivery)));
      return;
    }
    for (const { other, loser } of verdicts) {
      if (loser === 'earlier') other.supersede(new Superseded(describe(task.delivery)));
    }
    const undecided = verdicts.filter(({ loser }) => loser === 'unknown').map(({ other }) => other);
    if (undecided.length > 0) track(arbitrate(task, undecided));
  }

  /**
   * The chain doesn't tell, so the branch itself does: who pushed its head is the newest. If the head is nobody's, each of
   * them finds out before it commits, as they all do.
   */
  async function arbitrate(task: PushTask, others: PushTask[]): Promise<void> {
    const rivals = [task, ...others];
    let head: string | undefined;
    try {
      head = await deps.headOf(task.delivery);
    } catch {
      return;
    }
    const winner = rivals.find(({ delivery }) => isAt(delivery, head));
    if (!winner) return;
    for (const rival of rivals) {
      if (rival !== winner && !isAt(rival.delivery, head)) {
        rival.supersede(new Superseded(describe(winner.delivery)));
      }
    }
    const lanes = repositories.get(laneKey(task.delivery.event));
    if (lanes) dropSuperseded(lanes);
  }

  function lanesOf(key: string): Lanes {
    const lanes = repositories.get(key) ?? { running: [], waiting: [] };
    repositories.set(key, lanes);
    return lanes;
  }

  async function skip(task: PushTask, note: string): Promise<void> {
    task.journal.say({ kind: 'phase', stage: 'queue', text: note });
    await task.journal.end(note);
  }

  return {
    add(delivery) {
      const task = createTask(delivery);
      if (task.journal.push().state === 'done') return track(settle(task, task.journal.end()));
      const note = whySkipped(delivery.event, deps.refs);
      if (note !== undefined) return track(settle(task, skip(task, note)));
      if (delivery.cancelledBy) task.supersede(new Cancelled(delivery.cancelledBy.name));
      const key = laneKey(delivery.event);
      const lanes = lanesOf(key);
      applyPrecedence(task, [...lanes.running, ...lanes.waiting]);
      recent.add(delivery);
      lanes.waiting.push(task);
      dropSuperseded(lanes);
      advance(key, lanes);
    },
    cancel(id, by) {
      for (const lanes of repositories.values()) {
        const tasks = [...lanes.running, ...lanes.waiting];
        const task = tasks.find(({ delivery }) => delivery.event.id === id);
        task?.supersede(new Cancelled(by.name));
        if (task) dropSuperseded(lanes);
      }
    },
    async idle() {
      while (unfinished.size > 0) await Promise.all(unfinished);
    },
  };
}
