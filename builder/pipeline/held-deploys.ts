import { type DeployRecord, isEnd } from '../../core/deploy.ts';
import type { WriteOutcome } from '../../core/manifest-writer.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import { delay } from '../../runtime/lifecycle.ts';
import type { DeliveryLog } from '../deliveries/delivery-log.ts';
import type { DeployStore } from '../deploys/deploy-store.ts';
import type { PushJournals } from '../deploys/push-journals.ts';
import { recordOutcome } from './commit-function.ts';
import { followDeploy } from './follow-deploy.ts';
import { Cancelled, type PipelineContext, type PushTask, whyDropped } from './pipeline-context.ts';

export interface HeldDeploysDeps {
  store: DeployStore;
  deliveries: DeliveryLog;
  journals: PushJournals;
  context: PipelineContext;
  /** Tracks work that goes on by itself. */
  background: (what: string, work: Promise<void>) => void;
}

/**
 * Carries deploys on that were held: the push that made them has ended long ago, and whoever resumed the function may
 * have done so anywhere. What became of a deploy is always asked of the writer, so that being told twice, late, or
 * not at all before a crash changes nothing.
 */
export interface HeldDeploys {
  /** Something may have become of it. */
  look(id: string): void;
  /** Something may have become of each of them. */
  lookAtAll(): void;
  /** What happened while no builder ran, and what an earlier run left half done. */
  start(): Promise<void>;
}

const maxTries = 10;
const retry = { firstMs: 250, maxMs: 30_000 };
/** On their way after the hold. */
const following: ReadonlySet<DeployRecord['state']> = new Set(['committed', 'applied']);

export function createHeldDeploys(deps: HeldDeploysDeps): HeldDeploys {
  const { store, deliveries, journals, context, background } = deps;
  const looking = new Set<string>();
  const lookAgain = new Set<string>();

  /** A push that was cancelled is taken out of the writer's hands. */
  async function outcomeOf(record: DeployRecord): Promise<WriteOutcome> {
    const { id: buildId, pushId, owner, functionName, environment } = record;
    const query = { owner, functionName: functionName ?? '', environment, buildId };
    const by = (await deliveries.find(pushId))?.cancelledBy;
    const { manifestWriter } = context;
    for (let tries = 1; ; tries += 1) {
      try {
        if (!by) return await manifestWriter.afterHold(query);
        return await manifestWriter.withdraw({ ...query, reason: whyDropped(new Cancelled(by.name)) });
      } catch (error) {
        if (context.stopped.aborted || tries >= maxTries) throw error;
        await delay(backoffMs(tries, { ...retry, random: context.random }), context.stopped);
      }
    }
  }

  /** Works on a push that has ended, and ends it again. */
  async function withPush(pushId: string, work: (task: PushTask) => Promise<unknown>): Promise<void> {
    await journals.closed(pushId);
    const delivery = await deliveries.find(pushId);
    if (!delivery) return;
    const journal = journals.open(delivery);
    const never = new AbortController();
    journal.start();
    await work({ delivery, journal, superseded: never.signal, supersede: () => {} });
    // If the service stops meanwhile, the push stays open and is taken up at the next start.
    context.stopped.throwIfAborted();
    await journal.end();
  }

  async function goOn(id: string): Promise<void> {
    const record = store.deploy(id);
    if (record?.state !== 'held') return;
    const outcome = await outcomeOf(record);
    context.stopped.throwIfAborted();
    if (outcome.type === 'held') return;
    await withPush(record.pushId, async (task) => {
      if (task.journal.deploy(id).state !== 'held') return;
      if (outcome.type === 'skipped') return endUndeployed(task, id, outcome.reason);
      if (outcome.type === 'pushed' || outcome.type === 'unchanged') {
        const text = `${record.functionName}: it was resumed`;
        task.journal.say({ kind: 'phase', stage: 'commit', functionName: record.functionName, text });
      }
      if (await recordOutcome(task, context, id, outcome)) await followDeploy(task, context, id);
    });
  }

  async function lookUntilQuiet(id: string): Promise<void> {
    try {
      do {
        lookAgain.delete(id);
        await goOn(id);
      } while (lookAgain.has(id) && !context.stopped.aborted);
    } finally {
      looking.delete(id);
      lookAgain.delete(id);
    }
  }

  function look(id: string): void {
    if (context.stopped.aborted) return;
    if (looking.has(id)) {
      lookAgain.add(id);
      return;
    }
    looking.add(id);
    background('a deploy that was held could not be carried on', lookUntilQuiet(id));
  }

  /** Its delivery is done: all that was left to do is to follow what was released. */
  function finishPush(pushId: string): Promise<void> {
    return withPush(pushId, (task) => {
      const open = task.journal.deploys().filter(({ state }) => !isEnd(state) && following.has(state));
      return Promise.allSettled(open.map(({ id }) => followDeploy(task, context, id)));
    });
  }

  function lookAtAll(): void {
    for (const { id } of store.heldDeploys()) look(id);
  }

  return {
    look,
    lookAtAll,
    async start() {
      const open = store.openPushes();
      const pending = new Set((await deliveries.pending()).map(({ event }) => event.id));
      for (const pushId of open) {
        if (pending.has(pushId)) continue;
        background('a push that was resumed could not be finished', finishPush(pushId));
      }
      lookAtAll();
    },
  };
}

function endUndeployed({ journal }: PushTask, id: string, reason: string): void {
  const { functionName } = journal.deploy(id);
  journal.say({
    kind: 'phase',
    stage: 'commit',
    functionName,
    text: `${functionName}: not deployed: ${reason}`,
  });
  journal.change(id, { state: 'superseded', cause: { code: 'conflict', message: reason } });
}
