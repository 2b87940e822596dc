import type { RebuildRequest } from '../../core/forge-events.ts';
import { zeroSha } from '../../core/names.ts';
import type { PushEvent } from '../../core/source-event.ts';
import type { Delivery, DeliveryLog } from '../deliveries/delivery-log.ts';

/** How far back a commit is looked for. */
const lookBack = 300;

function isAsked({ event }: Delivery, { scm, repositoryId, commit }: RebuildRequest): boolean {
  const { repository } = event;
  return (
    event.type === 'push' && event.scm === scm && repository.id === repositoryId && event.after === commit
  );
}

/** Only its id and its forge are looked at. */
function laneOf({ id, scm, repositoryId, commit, actor }: RebuildRequest): PushEvent {
  const repository = {
    id: repositoryId,
    name: '-',
    owner: '-',
    ownerId: '-',
    cloneUrl: '',
    defaultBranch: '-',
    private: true,
  };
  return {
    type: 'push',
    id,
    scm,
    repository,
    actor,
    ref: 'refs/heads/-',
    before: zeroSha,
    after: commit,
  };
}

/**
 * The push that somebody wants to run again, under the request's own id, so that a redelivered request asks once. What
 * kept the push from deploying still does. `undefined`: nobody pushed such a commit here.
 */
export async function requestedRebuild(
  log: Pick<DeliveryLog, 'find' | 'recent'>,
  request: RebuildRequest,
): Promise<PushEvent | undefined> {
  const named = request.externalId === null ? undefined : await log.find(request.externalId);
  const candidates = named && isAsked(named, request) ? [named] : await log.recent(laneOf(request), lookBack);
  const found = candidates.find((delivery) => isAsked(delivery, request))?.event;
  return found?.type === 'push' ? { ...found, id: request.id, actor: request.actor } : undefined;
}
