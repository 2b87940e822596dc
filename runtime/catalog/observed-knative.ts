import { gitLabels } from '../../core/function-spec.ts';
import type { ClusterObject } from '../kubernetes/cluster-api.ts';
import type { BelongsHere } from './namespace-scope.ts';
import { type DesiredFunction, desiredOf } from './observed-function.ts';
import {
  accessIn,
  type Condition,
  type Container,
  type Described,
  functionImage,
  type ObservedInstance,
  type ObservedWorkload,
  timeOf,
} from './observed-workload.ts';

/** A Knative Service says both what is asked for and how far it is. */
export interface ObservedKnative {
  desired: DesiredFunction;
  workload: ObservedWorkload;
  /** `<namespace>/<name>` of the revision that takes requests. */
  readyInstance: string | undefined;
  /** Its address in the cluster, by whose host Knative's gateway knows it. */
  url: string | undefined;
}

interface KnativeObject extends ClusterObject {
  spec?: { template?: { metadata?: Described; spec?: { containers?: Container[] } } };
  status?: {
    observedGeneration?: number;
    conditions?: Condition[];
    latestCreatedRevisionName?: string;
    latestReadyRevisionName?: string;
    address?: { url?: string };
  };
}

interface RevisionObject extends ClusterObject {
  spec?: { containers?: Container[] };
  status?: { conditions?: Condition[] };
}

export function knativeOf(object: ClusterObject, belongs: BelongsHere): ObservedKnative | undefined {
  const { spec, status = {}, metadata } = object as KnativeObject;
  const image = functionImage(spec?.template?.spec?.containers);
  const desired = desiredOf(object, image, belongs);
  if (!desired || image === undefined) return undefined;
  const { latestReadyRevisionName: readyName, latestCreatedRevisionName: newestName } = status;
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  const isObserved = (status.observedGeneration ?? 0) >= (metadata.generation ?? 0);
  const isNewest = readyName !== undefined && readyName === newestName;
  return {
    desired,
    workload: {
      image,
      sourceCommit: desired.sourceCommit,
      access: accessIn(spec?.template?.metadata),
      isRolledOut: isObserved && isNewest && ready?.status === 'True',
      // Knative scales to zero and wakes by itself: what has a ready revision takes requests.
      replicas: 1,
      available: readyName === undefined ? 0 : 1,
      problem: isObserved && ready?.status === 'False' ? (ready.message ?? ready.reason) : undefined,
      availableSince: ready?.status === 'True' ? timeOf(ready.lastTransitionTime) : null,
    },
    readyInstance: readyName === undefined ? undefined : `${metadata.namespace ?? ''}/${readyName}`,
    url: status.address?.url,
  };
}

/** What a revision runs: says what is served while a newer one is on its way. */
export function revisionOf(object: ClusterObject): ObservedInstance | undefined {
  const { spec, status, metadata } = object as RevisionObject;
  const service = metadata.labels?.['serving.knative.dev/service'];
  const image = functionImage(spec?.containers);
  const isReady = status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
  if (service === undefined || image === undefined || !isReady) return undefined;
  const functionObject = `${metadata.namespace ?? ''}/${service}`;
  const sourceCommit = metadata.labels?.[gitLabels.sha] ?? '';
  const access = accessIn(metadata);
  return { functionObject, image, sourceCommit, access, isReady, trouble: undefined };
}
