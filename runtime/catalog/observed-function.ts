import { gitLabels, towlineAnnotations } from '../../core/function-spec.ts';
import { type Hold, readHold } from '../../core/hold.ts';
import { objectName } from '../../core/names.ts';
import type { ClusterObject } from '../kubernetes/cluster-api.ts';

/** What the GitOps repository asks for, as the API server has it. */
export interface DesiredFunction {
  owner: string;
  ownerId: string;
  functionName: string;
  namespace: string;
  /** The object's own name, by which its Deployment, Service and pods are found. */
  objectName: string;
  image: string;
  repo: string;
  branch: string;
  sourceCommit: string;
  hold: Hold | null;
  isDeleting: boolean;
}

/** How far a function's Deployment is. */
export interface ObservedDeployment {
  image: string;
  /** Every pod is of the newest template, and takes requests. */
  isRolledOut: boolean;
  replicas: number;
  available: number;
  /** Why it goes no further, in the cluster's words. */
  problem: string | undefined;
  availableSince: number | null;
}

/** Why a pod does not run; one that runs is not kept. */
export interface PodTrouble {
  functionObject: string;
  image: string;
  reason: string;
  message: string;
  restarts: number;
}

/** A Knative Service says both what is asked for and how far it is. */
export interface ObservedKnative {
  desired: DesiredFunction;
  deployment: ObservedDeployment | undefined;
  origin: string | undefined;
}

interface Container {
  name?: string;
  image?: string;
}

interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

interface FunctionObject extends ClusterObject {
  spec?: { image?: string };
}

interface DeploymentObject extends ClusterObject {
  spec?: { replicas?: number; template?: { spec?: { containers?: Container[] } } };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    updatedReplicas?: number;
    availableReplicas?: number;
    conditions?: Condition[];
  };
}

interface KnativeObject extends ClusterObject {
  spec?: { template?: { spec?: { containers?: Container[] } } };
  status?: {
    observedGeneration?: number;
    conditions?: Condition[];
    latestCreatedRevisionName?: string;
    latestReadyRevisionName?: string;
    address?: { url?: string };
  };
}

interface PodObject extends ClusterObject {
  spec?: { containers?: Container[] };
  status?: {
    containerStatuses?: {
      restartCount?: number;
      ready?: boolean;
      state?: { waiting?: { reason?: string; message?: string } };
      lastState?: { terminated?: { reason?: string; exitCode?: number } };
    }[];
  };
}

/** Kubernetes' own word for "on the way": no trouble. */
const passing: ReadonlySet<string> = new Set(['ContainerCreating', 'PodInitializing']);

/**
 * Whose object it is, and what it asks for. `undefined`: not one that Towline wrote. An object whose labels and name
 * disagree is nobody's: labels alone must not let one tenant answer for another.
 */
export function desiredOf(object: ClusterObject, image: string | undefined): DesiredFunction | undefined {
  const { metadata } = object;
  const { labels = {}, annotations = {} } = metadata;
  const owner = labels[gitLabels.owner];
  const ownerId = labels[gitLabels.ownerId];
  const functionName = labels[gitLabels.functionName];
  if (!owner || !ownerId || !functionName || !image) return undefined;
  if (metadata.name !== objectName(owner, functionName)) return undefined;
  return {
    owner,
    ownerId,
    functionName,
    namespace: metadata.namespace ?? '',
    objectName: metadata.name,
    image,
    repo: annotations[towlineAnnotations.repo] ?? labels[gitLabels.repo] ?? '',
    branch: annotations[towlineAnnotations.branch] ?? labels[gitLabels.branch] ?? '',
    sourceCommit: labels[gitLabels.sha] ?? '',
    hold: readHold(annotations[towlineAnnotations.hold]),
    isDeleting: metadata.deletionTimestamp !== undefined,
  };
}

export function functionOf(object: ClusterObject): DesiredFunction | undefined {
  return desiredOf(object, (object as FunctionObject).spec?.image);
}

export function desiredOfDeployment(object: ClusterObject): DesiredFunction | undefined {
  return desiredOf(object, functionImage((object as DeploymentObject).spec?.template?.spec?.containers));
}

export function deploymentOf(object: ClusterObject): ObservedDeployment | undefined {
  const { spec = {}, status = {}, metadata } = object as DeploymentObject;
  const image = functionImage(spec.template?.spec?.containers);
  if (image === undefined) return undefined;
  const replicas = spec.replicas ?? 1;
  const { updatedReplicas = 0, availableReplicas = 0, conditions = [] } = status;
  const isObserved = (status.observedGeneration ?? 0) >= (metadata.generation ?? 0);
  const isNewest = updatedReplicas === replicas && (status.replicas ?? 0) === replicas;
  const available = conditions.find(({ type }) => type === 'Available');
  return {
    image,
    isRolledOut: isObserved && isNewest && availableReplicas >= replicas,
    replicas,
    available: availableReplicas,
    problem: isObserved ? deploymentProblem(conditions) : undefined,
    availableSince: available?.status === 'True' ? timeOf(available.lastTransitionTime) : null,
  };
}

/** A quota or an admission rule stops pods from being made; a deadline passes when they don't get ready. */
function deploymentProblem(conditions: Condition[]): string | undefined {
  const failure = conditions.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True');
  if (failure) return failure.message ?? failure.reason;
  const progress = conditions.find(({ type, status }) => type === 'Progressing' && status === 'False');
  return progress && (progress.message ?? progress.reason);
}

export function podTroubleOf(object: ClusterObject): PodTrouble | undefined {
  const { spec, status, metadata } = object as PodObject;
  const functionObject = metadata.labels?.['faas_function'];
  const container = status?.containerStatuses?.[0];
  const waiting = container?.state?.waiting;
  if (functionObject === undefined || !waiting?.reason || passing.has(waiting.reason)) return undefined;
  const ended = container?.lastState?.terminated;
  const how =
    ended && `it ended with ${ended.reason ?? 'an error'} (exit code ${ended.exitCode ?? 'unknown'})`;
  return {
    functionObject: `${metadata.namespace ?? ''}/${functionObject}`,
    image: functionImage(spec?.containers) ?? '',
    reason: waiting.reason,
    message: (waiting.reason === 'CrashLoopBackOff' ? how : waiting.message) ?? '',
    restarts: container?.restartCount ?? 0,
  };
}

export function knativeOf(object: ClusterObject): ObservedKnative | undefined {
  const { spec, status = {}, metadata } = object as KnativeObject;
  const image = functionImage(spec?.template?.spec?.containers);
  const desired = desiredOf(object, image);
  if (!desired || image === undefined) return undefined;
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  const isObserved = (status.observedGeneration ?? 0) >= (metadata.generation ?? 0);
  const isNewest =
    status.latestReadyRevisionName !== undefined &&
    status.latestReadyRevisionName === status.latestCreatedRevisionName;
  const hasReady = status.latestReadyRevisionName !== undefined;
  return {
    desired,
    deployment: {
      image,
      isRolledOut: isObserved && isNewest && ready?.status === 'True',
      // Knative scales to zero and wakes by itself: what has a ready revision takes requests.
      replicas: 1,
      available: hasReady ? 1 : 0,
      problem: isObserved && ready?.status === 'False' ? (ready.message ?? ready.reason) : undefined,
      availableSince: ready?.status === 'True' ? timeOf(ready.lastTransitionTime) : null,
    },
    origin: status.address?.url,
  };
}

/** The function's container is the first, whatever a service mesh has added. */
function functionImage(containers: Container[] | undefined): string | undefined {
  return (containers?.find(({ name }) => name === 'function') ?? containers?.[0])?.image;
}

function timeOf(text: string | undefined): number | null {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? null : time;
}
