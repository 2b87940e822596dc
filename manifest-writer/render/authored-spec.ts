import {
  type FunctionConfiguration,
  type FunctionSpec,
  gitLabels,
  type Provenance,
  towlineAnnotations,
} from '../../core/function-spec.ts';
import type { FunctionManifest } from './read-function.ts';

/** Keys that Towline writes by itself, in both spellings. */
const ownKeys = /^(?:com\.openfaas\.(?:cloud\.)?git-|towline\.dev\/)/;

/** What the author asked for, read back from a manifest: without the platform's own labels and annotations. */
export function authoredSpec(
  manifest: FunctionManifest,
  { owner, functionName }: Pick<FunctionSpec, 'owner' | 'functionName'>,
): FunctionSpec {
  return { owner, functionName, image: manifest.spec.image, ...authoredConfiguration(manifest) };
}

/** The same without its image: what the next deploy of another one keeps. */
export function authoredConfiguration({ spec }: FunctionManifest): FunctionConfiguration {
  return {
    environment: spec.environment,
    // As the manifest has them: an owner's own prefix is not put in front twice.
    secrets: spec.secrets,
    labels: authored(spec.labels),
    annotations: authored(spec.annotations),
    limits: spec.limits ?? {},
    requests: spec.requests ?? {},
    constraints: spec.constraints,
    readOnlyRootFilesystem: spec.readOnlyRootFilesystem,
  };
}

/** Where a manifest says its function came from; the owner's id in full, which its label may carry cut. */
export function provenanceOf(
  { metadata, spec }: FunctionManifest,
  { owner, ownerId }: Pick<Provenance, 'owner' | 'ownerId'>,
): Provenance {
  const labels = { ...metadata.labels, ...spec.labels };
  const annotations = { ...metadata.annotations, ...spec.annotations };
  const scm = labels[gitLabels.scm];
  return {
    owner,
    ownerId,
    repo: annotations[towlineAnnotations.repo] ?? labels[gitLabels.repo] ?? '',
    branch: annotations[towlineAnnotations.branch] ?? labels[gitLabels.branch] ?? '',
    sourceCommit: labels[gitLabels.sha] ?? '',
    scm: scm === 'github' || scm === 'gitlab' ? scm : 'git',
    private: labels[gitLabels.private] === '1',
    repoUrl: annotations[towlineAnnotations.repoUrl] ?? '',
  };
}

/** Labels or annotations without those that say where a deploy came from, which change with each one. */
export function authored(map: Record<string, string>): Record<string, string> {
  const kept = Object.entries(map).filter(([key]) => key === towlineAnnotations.access || !ownKeys.test(key));
  return Object.fromEntries(kept);
}
