import { type FunctionAccess, readFunctionAccess } from '../../core/function-access.ts';
import { gitLabels, towlineAnnotations } from '../../core/function-spec.ts';
import { type Hold, readHold } from '../../core/hold.ts';
import { objectName } from '../../core/names.ts';
import type { ClusterObject } from '../kubernetes/cluster-api.ts';
import { handEditOf } from './field-managers.ts';
import type { BelongsHere } from './namespace-scope.ts';

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
  access: FunctionAccess;
  isDeleting: boolean;
  /** What somebody changed in the cluster, so that it is not what git says; one sentence. */
  drift: string | undefined;
}

interface FunctionObject extends ClusterObject {
  spec?: { image?: string };
}

/**
 * Whose object it is, and what it asks for. `undefined`: not one that Towline wrote. An object whose labels, name and
 * namespace disagree is nobody's: labels alone must not let one tenant answer for another.
 */
export function desiredOf(
  object: ClusterObject,
  image: string | undefined,
  belongs: BelongsHere,
): DesiredFunction | undefined {
  const { metadata } = object;
  const { name, namespace = '', labels = {}, annotations = {} } = metadata;
  const owner = labels[gitLabels.owner];
  const ownerId = labels[gitLabels.ownerId];
  const functionName = labels[gitLabels.functionName];
  if (!owner || !ownerId || !functionName || !image) return undefined;
  if (name !== objectName(owner, functionName)) return undefined;
  if (!belongs({ owner, namespace, name })) return undefined;
  return {
    owner,
    ownerId,
    functionName,
    namespace,
    objectName: name,
    image,
    repo: annotations[towlineAnnotations.repo] ?? labels[gitLabels.repo] ?? '',
    branch: annotations[towlineAnnotations.branch] ?? labels[gitLabels.branch] ?? '',
    sourceCommit: labels[gitLabels.sha] ?? '',
    hold: readHold(annotations[towlineAnnotations.hold]),
    access: readFunctionAccess(annotations[towlineAnnotations.access]),
    isDeleting: metadata.deletionTimestamp !== undefined,
    drift: handEditOf(object),
  };
}

export function functionOf(object: ClusterObject, belongs: BelongsHere): DesiredFunction | undefined {
  return desiredOf(object, (object as FunctionObject).spec?.image, belongs);
}
