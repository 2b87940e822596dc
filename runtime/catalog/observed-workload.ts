import { type FunctionAccess, readFunctionAccess } from '../../core/function-access.ts';
import { gitLabels, towlineAnnotations } from '../../core/function-spec.ts';
import type { ClusterObject } from '../kubernetes/cluster-api.ts';
import type { BelongsHere } from './namespace-scope.ts';
import { type DesiredFunction, desiredOf } from './observed-function.ts';

/** How far the cluster is with running what is asked for. */
export interface ObservedWorkload {
  image: string;
  /** The commit that the newest template is made from; empty if it does not say. */
  sourceCommit: string;
  /** Whose requests the newest template takes, as it says itself. */
  access: FunctionAccess;
  /** Every pod is of the newest template, and takes requests. */
  isRolledOut: boolean;
  replicas: number;
  available: number;
  /** Why it goes no further, in the cluster's words. */
  problem: string | undefined;
  availableSince: number | null;
}

/** A pod, or another version that may take requests. */
export interface ObservedInstance {
  /** `<namespace>/<name>` of the function's object. */
  functionObject: string;
  image: string;
  sourceCommit: string;
  /** As it was when it was made. */
  access: FunctionAccess;
  isReady: boolean;
  trouble: PodTrouble | undefined;
}

/** Why a pod does not run. */
export interface PodTrouble {
  reason: string;
  message: string;
  restarts: number;
}

export interface Container {
  name?: string;
  image?: string;
}

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export interface Described {
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

interface PodTemplate {
  metadata?: Described;
  spec?: { containers?: Container[] };
}

interface DeploymentObject extends ClusterObject {
  spec?: { replicas?: number; template?: PodTemplate };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    updatedReplicas?: number;
    availableReplicas?: number;
    conditions?: Condition[];
  };
}

interface ContainerStatus {
  name?: string;
  restartCount?: number;
  ready?: boolean;
  state?: { waiting?: { reason?: string; message?: string } };
  lastState?: { terminated?: { reason?: string; exitCode?: number } };
}

interface PodObject extends ClusterObject {
  spec?: { containers?: Container[] };
  status?: { conditions?: Condition[]; containerStatuses?: ContainerStatus[] };
}

/** Kubernetes' own word for "on the way": no trouble. */
const passing: ReadonlySet<string> = new Set(['ContainerCreating', 'PodInitializing']);
const crashLoop = 'CrashLoopBackOff';

export function desiredOfDeployment(
  object: ClusterObject,
  belongs: BelongsHere,
): DesiredFunction | undefined {
  const { template } = (object as DeploymentObject).spec ?? {};
  return desiredOf(object, functionImage(template?.spec?.containers), belongs);
}

export function deploymentOf(object: ClusterObject): ObservedWorkload | undefined {
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
    sourceCommit: spec.template?.metadata?.labels?.[gitLabels.sha] ?? '',
    access: accessIn(spec.template?.metadata),
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
  if (failure)
    return `the cluster refuses its pods: ${failure.message ?? failure.reason ?? 'no reason given'}`;
  const progress = conditions.find(({ type, status }) => type === 'Progressing' && status === 'False');
  return progress && (progress.message ?? progress.reason);
}

export function podOf(object: ClusterObject): ObservedInstance | undefined {
  const { spec, status, metadata } = object as PodObject;
  const name = metadata.labels?.['faas_function'];
  if (name === undefined || metadata.deletionTimestamp !== undefined) return undefined;
  const isReady = status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
  const trouble = troubleOf(status);
  if (!isReady && trouble === undefined) return undefined;
  return {
    functionObject: `${metadata.namespace ?? ''}/${name}`,
    image: functionImage(spec?.containers) ?? '',
    sourceCommit: metadata.labels?.[gitLabels.sha] ?? '',
    access: accessIn(metadata),
    isReady,
    trouble,
  };
}

function troubleOf({
  conditions = [],
  containerStatuses = [],
}: NonNullable<PodObject['status']> = {}): PodTrouble | undefined {
  const container = containerStatuses.find(({ name }) => name === 'function') ?? containerStatuses[0];
  const waiting = container?.state?.waiting;
  if (waiting?.reason && !passing.has(waiting.reason)) {
    const message = (waiting.reason === crashLoop ? endOf(container) : waiting.message) ?? '';
    return { reason: waiting.reason, message, restarts: container?.restartCount ?? 0 };
  }
  // Between two ends of a crash loop it runs for a moment; that is no recovery until it takes requests.
  if (container && !container.ready && container.lastState?.terminated) {
    return { reason: crashLoop, message: endOf(container) ?? '', restarts: container.restartCount ?? 0 };
  }
  const scheduled = conditions.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status !== 'False') return undefined;
  return { reason: scheduled.reason ?? 'Unschedulable', message: scheduled.message ?? '', restarts: 0 };
}

function endOf(container: ContainerStatus | undefined): string | undefined {
  const ended = container?.lastState?.terminated;
  return ended && `it ended with ${ended.reason ?? 'an error'} (exit code ${ended.exitCode ?? 'unknown'})`;
}

/** The function's container is the first, whatever a service mesh has added. */
export function functionImage(containers: Container[] | undefined): string | undefined {
  return (containers?.find(({ name }) => name === 'function') ?? containers?.[0])?.image;
}

/** What an operator has not copied there says nothing, and then what is asked for decides. */
export function accessIn(metadata: Described | undefined): FunctionAccess {
  return readFunctionAccess(metadata?.annotations?.[towlineAnnotations.access]);
}

export function timeOf(text: string | undefined): number | null {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? null : time;
}
