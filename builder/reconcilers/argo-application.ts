import type { ClusterObject } from '../../runtime/kubernetes/cluster-api.ts';
import type { ApplyFailure } from './flux-objects.ts';

interface ApplicationObject extends ClusterObject {
  spec?: { syncPolicy?: { automated?: { enabled?: boolean } } };
  status?: {
    sync?: { status?: string; revision?: string };
    reconciledAt?: string;
    conditions?: Condition[];
    operationState?: Operation;
  };
}

interface Condition {
  type: string;
  message: string;
}

interface Operation {
  phase?: string;
  message?: string;
  /** Also set while `phase` is "Running": it has failed, and is tried again later. */
  finishedAt?: string | null;
  retryCount?: number;
  syncResult?: { revision?: string; resources?: SyncedResource[] };
}

interface SyncedResource {
  kind: string;
  namespace?: string;
  name: string;
  status?: string;
  hookPhase?: string;
  message?: string;
}

/** What Argo CD could not apply. */
export interface ArgoFailure extends ApplyFailure {
  /** Of the operation; `undefined`: of the newest there is. */
  commit: string | undefined;
  /** Names of the objects that are applied all the same: one that is refused does not hold up the others. */
  applied?: ReadonlySet<string> | undefined;
  /** Of each object that was refused, by its name: the failure in its own words. */
  refused?: ReadonlyMap<string, string> | undefined;
}

/** How far Argo CD is with one tenant. */
export interface ObservedApplication {
  /** The commit that the cluster is known to be the same as. */
  syncedCommit: string | undefined;
  /** The commit that Argo CD looked at last, whatever came of it. */
  comparedCommit: string | undefined;
  /** When that was; what cannot be read leaves no commit. */
  lookedAt: string | undefined;
  failure: ArgoFailure | undefined;
  /** It is at a further attempt: the failure of the one before is no longer told, and not over either. */
  isRetrying: boolean;
  /** Argo CD applies what is new without being asked. */
  isAutomated: boolean;
  /** Its project is not there, or does not allow what it is: a tenant that is being set up. */
  isInvalid: boolean;
}

export function applicationOf(object: ClusterObject): ObservedApplication {
  const { spec, status = {} } = object as ApplicationObject;
  const { sync = {}, conditions = [], operationState = {} } = status;
  const { automated } = spec?.syncPolicy ?? {};
  const { phase, retryCount = 0 } = operationState;
  const isAtWork = phase === 'Running' || phase === 'Terminating';
  const isSynced = sync.status === 'Synced' && !isAtWork;
  return {
    syncedCommit: isSynced ? sync.revision : undefined,
    comparedCommit: sync.revision,
    lookedAt: status.reconciledAt,
    failure: conditionFailure(conditions) ?? operationFailure(operationState) ?? refusedSync(conditions),
    isRetrying: isAtWork && retryCount > 0 && !operationState.finishedAt,
    isAutomated: automated !== undefined && automated.enabled !== false,
    isInvalid: conditions.some(({ type }) => type === 'InvalidSpecError'),
  };
}

/** Of Argo CD's repository server, and of git, about the way to the repository. */
const outOfReach =
  /Unavailable|DeadlineExceeded|failed to (?:fetch|list refs)|unable to access|i\/o timeout|connection refused/;

/** In the words that Flux has for it. */
function conditionFailure(conditions: readonly Condition[]): ObservedApplication['failure'] {
  const messageOf = (wanted: string) => conditions.find(({ type }) => type === wanted)?.message;
  const invalid = messageOf('InvalidSpecError');
  if (invalid !== undefined) return { reason: 'DependencyNotReady', message: invalid, commit: undefined };
  const message = messageOf('ComparisonError');
  if (message === undefined) return undefined;
  return { reason: outOfReach.test(message) ? 'ArtifactFailed' : 'BuildFailed', message, commit: undefined };
}

/** What Argo CD does not even begin, as to remove everything. */
function refusedSync(conditions: readonly Condition[]): ObservedApplication['failure'] {
  const message = conditions.find(({ type }) => type === 'SyncError')?.message;
  return message === undefined ? undefined : { reason: 'PruneFailed', message, commit: undefined };
}

function operationFailure(operation: Operation): ObservedApplication['failure'] {
  const { phase, message = '', finishedAt, syncResult } = operation;
  const hasFailed = phase === 'Failed' || phase === 'Error' || (phase === 'Running' && Boolean(finishedAt));
  if (!hasFailed) return undefined;
  const resources = syncResult?.resources ?? [];
  const refused = new Map(resources.filter(isRefused).map((one) => [one.name, refusalOf(one)]));
  const done = resources.filter(({ name, status }) => !refused.has(name) && isDone.has(status ?? ''));
  return {
    reason: 'ReconciliationFailed',
    message: refused.values().next().value ?? message.replace(/\. Retrying attempt #\d+ at [^.]*\.$/, ''),
    commit: syncResult?.revision,
    applied: new Set(done.map(({ name }) => name)),
    refused,
  };
}

const isDone: ReadonlySet<string> = new Set(['Synced', 'Pruned']);

function isRefused({ status, hookPhase }: SyncedResource): boolean {
  return status === 'SyncFailed' || hookPhase === 'Failed';
}

/** In the words that Flux has for it, so that causes are told from each other in one place. */
function refusalOf({ kind, namespace = '', name, message = '' }: SyncedResource): string {
  return `${kind}/${namespace}/${name} apply failed: ${message}`;
}
