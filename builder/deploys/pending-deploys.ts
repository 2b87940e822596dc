import type { FunctionStatus, PendingDeploys } from '../../core/catalog.ts';
import type { DeployRecord, DeployState } from '../../core/deploy.ts';
import { formatPlace } from '../../core/errors.ts';
import type { DeployStore } from './deploy-store.ts';

const waiting: Partial<Record<DeployState, { status: FunctionStatus; reason: string }>> = {
  queued: { status: 'Queued', reason: 'its first deploy waits for its turn' },
  building: { status: 'Building', reason: 'its first deploy is being built' },
  built: { status: 'Deploying', reason: 'its first deploy is built and being committed' },
  committed: { status: 'Deploying', reason: 'its first deploy is committed and being applied' },
  applied: { status: 'Deploying', reason: 'its first deploy is applied and starting' },
};

function failure({ stage, cause }: DeployRecord): string {
  if (!cause) return `its deploy failed at ${stage}`;
  const place = cause.place ? `${formatPlace(cause.place)}: ` : '';
  return `its deploy failed at ${stage}: ${place}${cause.message}`;
}

/** For functions that the catalog doesn't have: what their newest deploy says. */
export function createPendingDeploys(store: DeployStore): PendingDeploys {
  /** A superseded deploy of a function: the newer push may not know its functions yet. */
  function whatFollows({ state, owner, repo }: DeployRecord) {
    if (state !== 'superseded') return undefined;
    const [newest] = store.pushes({ owner, repo, limit: 1 });
    return newest && newest.state !== 'done' ? waiting.queued : undefined;
  }

  return {
    pending(owner, functionName) {
      const record = store.latestDeploy(owner, functionName);
      if (!record) return undefined;
      if (record.state === 'failed') return { status: 'Failed', reason: failure(record) };
      return waiting[record.state] ?? whatFollows(record);
    },
  };
}
