import { randomUUID } from 'node:crypto';
import type { BuildService } from '../../core/build-service.ts';
import { type DeployRecord, isEnd, type PushRecord } from '../../core/deploy.ts';
import { TowlineError } from '../../core/errors.ts';
import type { Accept } from '../deliveries/acceptance.ts';
import type { DeliveryLog } from '../deliveries/delivery-log.ts';
import type { HeldDeploys } from '../pipeline/held-deploys.ts';
import type { PushQueue } from '../queue/push-queue.ts';
import type { DeployStore } from './deploy-store.ts';

export interface RebuildAndCancelDeps {
  deliveries: DeliveryLog;
  store: DeployStore;
  accept: Accept;
  /** Brings what is accepted to the queue, once the builder has started. */
  takeUp: () => Promise<void>;
  pushQueue: Pick<PushQueue, 'cancel'>;
  heldDeploys: Pick<HeldDeploys, 'look'>;
}

const waitsForHold = ({ state }: DeployRecord) => state === 'held';

function whyNotCancelled({ state, ref, deploys }: PushRecord): string | undefined {
  if (deploys.some(waitsForHold)) return undefined;
  if (state === 'done') return 'the push has ended already';
  if (ref === '') return 'the removal of a repository cannot be cancelled';
  const isOpen = (deploy: DeployRecord) => !isEnd(deploy.state) && deploy.gitopsCommit === null;
  if (deploys.length === 0 || deploys.some(isOpen)) return undefined;
  return 'everything of it is committed already: roll back what should not stay';
}

/** What people ask for of a push that is known. */
export function createRebuildAndCancel(deps: RebuildAndCancelDeps): Pick<BuildService, 'rebuild' | 'cancel'> {
  const { deliveries, store, pushQueue, heldDeploys } = deps;
  return {
    async rebuild(pushId, actor, options = {}) {
      const event = (await deliveries.find(pushId))?.event;
      if (!event) throw new TowlineError('not_found', 'there is no such push');
      if (event.type === 'repository-deleted') {
        throw new TowlineError('conflict', 'only what was pushed or announced can be deployed again');
      }
      // What announcements are known by.
      const id = `${event.type === 'image' ? 'image-' : ''}rebuild-${randomUUID()}`;
      await deps.accept({ ...event, id, actor }, 'rebuild', options.force);
      // Whoever gets the id asks for the push next.
      await deps.takeUp();
      return id;
    },
    async cancel(pushId, actor) {
      const push = store.push(pushId);
      if (!push) throw new TowlineError('not_found', 'there is no such push');
      const whyNot = whyNotCancelled(push);
      if (whyNot !== undefined) throw new TowlineError('conflict', whyNot);
      // On disk first: a push that is cancelled stays so, whatever dies now.
      if (await deliveries.cancel(pushId, actor)) pushQueue.cancel(pushId, actor);
      for (const { id } of push.deploys.filter(waitsForHold)) heldDeploys.look(id);
    },
  };
}
