import type { FunctionStatus, PendingDeploys } from '../../core/catalog.ts';
import type { DeployRecord, DeployState } from '../../core/deploy.ts';
import { formatPlace } from '../../core/errors.ts';
import type { DeployStore } from './deploy-store.ts';

interface Pending {
  status: FunctionStatus;
  reason: string;
  /** Without the cause: it may quote what a program printed. */
  publicReason: string;
}

function fixed(status: FunctionStatus, reason: string): Pending {
  return { status, reason, publicReason: reason };
}

const waiting: Partial<Record<DeployState, Pending>> = {
  queued: fixed('Queued', 'its first deploy waits for its turn'),
  building: fixed('Building', 'its first deploy is being built'),
  built: fixed('Deploying', 'its first deploy is built and being committed'),
  committed: fixed('Deploying', 'its first deploy is committed and being applied'),
  applied: fixed('Deploying', 'its first deploy is applied and starting'),
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
    pending(owner, functionName, environment) {
      const record = store.latestDeploy(owner, functionName, environment);
      if (!record) return undefined;
      if (record.state === 'failed') {
        return {
          status: 'Failed',
          reason: failure(record),
          publicReason: `its deploy failed at ${record.stage}; whoever owns it sees why in the dashboard`,
        };
      }
      return waiting[record.state] ?? whatFollows(record);
    },
  };
}
