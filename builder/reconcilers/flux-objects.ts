import type { ClusterObject } from '../../runtime/kubernetes/cluster-api.ts';

interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

interface KustomizationObject extends ClusterObject {
  spec?: { suspend?: boolean };
  status?: {
    conditions?: Condition[];
    lastAppliedRevision?: string;
    lastAppliedOriginRevision?: string;
    lastAttemptedRevision?: string;
  };
}

interface SourceObject extends ClusterObject {
  spec?: { suspend?: boolean };
  status?: { artifact?: { revision?: string; metadata?: Record<string, string> }; conditions?: Condition[] };
}

/** Why Flux could not apply a revision, in its own words. */
export interface ApplyFailure {
  /** Flux's word, as `BuildFailed`. */
  reason: string;
  message: string;
}

/** How far Flux is with one tenant. */
export interface ObservedKustomization {
  appliedRevision: string | undefined;
  /** Of the repository, if the source is made from it. */
  appliedOrigin: string | undefined;
  attemptedRevision: string | undefined;
  /** Of the last attempt; not there while another one runs. */
  failure: ApplyFailure | undefined;
  /** What the attempt that runs now is at. */
  progress: string | undefined;
  isSuspended: boolean;
}

/** What a source has ready to be applied. */
export interface ObservedSource {
  /** As `main@sha1:<commit>`, or `latest@sha256:<digest>` for what is made from a repository. */
  revision: string | undefined;
  /** The repository's revision that it was made from. */
  origin: string | undefined;
  /** Why nothing newer can be had. */
  problem: string | undefined;
  isSuspended: boolean;
}

/** The annotation in which source-watcher and Towline say what commit an artifact is made from. */
const originKey = 'org.opencontainers.image.revision';

export function kustomizationOf(object: ClusterObject): ObservedKustomization {
  const { spec, status = {} } = object as KustomizationObject;
  const { conditions = [] } = status;
  const ready = conditions.find(({ type }) => type === 'Ready');
  const reconciling = conditions.find(({ type }) => type === 'Reconciling');
  const isOver = reconciling?.status !== 'True' || reconciling.reason === 'ProgressingWithRetry';
  const failure =
    ready?.status === 'False' && isOver
      ? { reason: ready.reason ?? '', message: ready.message ?? '' }
      : undefined;
  return {
    appliedRevision: status.lastAppliedRevision,
    appliedOrigin: status.lastAppliedOriginRevision,
    attemptedRevision: status.lastAttemptedRevision,
    failure,
    progress: isOver ? undefined : reconciling?.message,
    isSuspended: spec?.suspend === true,
  };
}

export function sourceOf(object: ClusterObject): ObservedSource {
  const { spec, status = {} } = object as SourceObject;
  const { artifact, conditions = [] } = status;
  const ready = conditions.find(({ type }) => type === 'Ready');
  return {
    revision: artifact?.revision,
    origin: artifact?.metadata?.[originKey],
    problem: ready?.status === 'False' ? (ready.message ?? ready.reason) : undefined,
    isSuspended: spec?.suspend === true,
  };
}

/** The git commit of a revision, as `main@sha1:<commit>`; `undefined` if it names something else. */
export function commitOf(revision: string | undefined): string | undefined {
  return /(?:^|@|\/)sha(?:1|256):([0-9a-f]{40}|[0-9a-f]{64})$/.exec(revision ?? '')?.[1];
}
