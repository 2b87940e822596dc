import type { ClusterObject } from '../../runtime/kubernetes/cluster-api.ts';
import type { ApplyFailure } from './flux-objects.ts';

interface ApplicationObject extends ClusterObject {
  spec?: { syncPolicy?: { automated?: { enabled?: boolean } } };
  status?: {
    sync?: { status?: string; revision?: string };
    conditions?: { type: string; message: string }[];
    operationState?: {
      phase?: string;
      message?: string;
      syncResult?: { revision?: string; resources?: SyncedResource[] };
    };
  };
}

interface SyncedResource {
  kind: string;
  namespace?: string;
  name: string;
  status?: string;
  message?: string;
}

/** How far Argo CD is with one tenant. */
export interface ObservedApplication {
  /** The commit that the cluster is known to be the same as. */
  syncedCommit: string | undefined;
  /** What an operation could not apply, and of which commit; `undefined` for the commit: of the newest there is. */
  failure: (ApplyFailure & { commit: string | undefined }) | undefined;
  /** Argo CD applies what is new without being asked. */
  isAutomated: boolean;
}

export function applicationOf(object: ClusterObject): ObservedApplication {
  const { spec, status = {} } = object as ApplicationObject;
  const { sync = {}, conditions = [], operationState = {} } = status;
  const { automated } = spec?.syncPolicy ?? {};
  const { phase } = operationState;
  const isSynced = sync.status === 'Synced' && phase !== 'Running' && phase !== 'Terminating';
  const unreadable = conditions.find(({ type }) => type === 'ComparisonError');
  const failure = unreadable ? comparisonFailure(unreadable.message) : operationFailure(operationState);
  const isAutomated = automated !== undefined && automated.enabled !== false;
  return { syncedCommit: isSynced ? sync.revision : undefined, failure, isAutomated };
}

/** Of Argo CD's repository server, and of git, about the way to the repository. */
const outOfReach =
  /Unavailable|DeadlineExceeded|failed to (?:fetch|list refs)|unable to access|i\/o timeout|connection refused/;

/** In the words that Flux has for it. */
function comparisonFailure(message: string): ObservedApplication['failure'] {
  return {
    reason: outOfReach.test(message) ? 'ArtifactFailed' : 'BuildFailed',
    message,
    commit: undefined,
  };
}

type Operation = NonNullable<NonNullable<ApplicationObject['status']>['operationState']>;

function operationFailure({ phase, message, syncResult }: Operation): ObservedApplication['failure'] {
  if (phase !== 'Failed' && phase !== 'Error') return undefined;
  const refused = syncResult?.resources?.find(({ status }) => status === 'SyncFailed');
  // In the words that Flux has for it, so that causes are told from each other in one place.
  const words = refused
    ? `${refused.kind}/${refused.namespace ?? ''}/${refused.name} apply failed: ${refused.message ?? ''}`
    : (message ?? '');
  return { reason: 'ReconciliationFailed', message: words, commit: syncResult?.revision };
}
