import type { ClusterObject } from '../kubernetes/cluster-api.ts';

/** Who applies what is in git, as the API server names them. */
const engines: ReadonlySet<string> = new Set(['kustomize-controller', 'argocd-controller']);

/** Left to whoever scales a function. */
const scaling: ReadonlySet<string> = new Set(['f:replicas', 'f:paused', 'f:progressDeadlineSeconds']);
/** A restart changes nothing that git says. */
const restart = 'f:metadata';
const maxFields = 5;

/**
 * What somebody changed in an object that an engine applies from git; `undefined`: nothing. The API server keeps who
 * set each field last, so this needs no look into git, and holds until the engine applies again.
 */
export function handEditOf({ metadata }: ClusterObject): string | undefined {
  const entries = metadata.managedFields ?? [];
  if (!entries.some(({ manager = '' }) => engines.has(manager))) return undefined;
  for (const { manager = '', subresource, fieldsV1 } of entries) {
    if (engines.has(manager) || (subresource ?? '') !== '') continue;
    const fields = workloadFields(fieldsV1?.['f:spec']);
    if (fields.length === 0) continue;
    return `differs from git: ${fields.slice(0, maxFields).join(', ')} changed in the cluster by ${manager}`;
  }
  return undefined;
}

/** The names of the fields below `f:spec` that say what runs. */
function workloadFields(spec: unknown): string[] {
  const fields = asTree(spec);
  const pod = asTree(asTree(fields['f:template'])['f:spec']);
  const containers = Object.values(asTree(pod['f:containers'])).flatMap(namesIn);
  const ofPod = namesIn(pod).filter((name) => name !== 'containers');
  const own = namesIn(fields).filter((name) => name !== 'template' && !scaling.has(`f:${name}`));
  return [...new Set([...own, ...ofPod, ...containers])];
}

function namesIn(tree: unknown): string[] {
  return Object.keys(asTree(tree))
    .filter((key) => key.startsWith('f:') && key !== restart)
    .map((key) => key.slice(2));
}

function asTree(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
