import {
  type FunctionSpec,
  gitLabels,
  type Provenance,
  towlineAnnotations,
} from '../../core/function-spec.ts';
import { labelValue, objectName } from '../../core/names.ts';
import type { Target } from './target.ts';

export interface RenderOptions {
  target: Target;
  namespace: string;
  /** When the deploy was asked for; milliseconds since the epoch. */
  deployedAt: number;
}

/** What a function's objects are called and how they are found, the same on every target. */
export interface FunctionMetadata {
  name: string;
  namespace: string;
  /**
   * What tells an object apart by selector. The whole set, in both spellings, is on the workload alone: a deploy's
   * diff says everything once.
   */
  identifying: { labels: Record<string, string>; annotations: Record<string, string> };
  /** The author's and the platform's. */
  workload: { labels: Record<string, string>; annotations: Record<string, string> };
}

/** OpenFaaS Cloud's spelling of today's `com.openfaas.git-*` keys. */
const cloudSpelling = (key: string) => key.replace(/^com\.openfaas\.git-/, 'com.openfaas.cloud.git-');

export const deployTimeLabel = 'com.openfaas.git-deploytime';

/**
 * When and of which commit it was asked for: left aside when two manifests are compared, so that a push deploys only
 * what it changed. A manifest names the commit that its function was last changed by.
 */
export const deployKeys = [deployTimeLabel, gitLabels.sha].flatMap((key) => [key, cloudSpelling(key)]);

const identifyingLabels = [
  gitLabels.owner,
  gitLabels.ownerId,
  gitLabels.repo,
  gitLabels.sha,
  gitLabels.functionName,
];
const identifyingAnnotations = [
  towlineAnnotations.repo,
  towlineAnnotations.branch,
  towlineAnnotations.access,
];

export function functionMetadata(
  spec: FunctionSpec,
  provenance: Provenance,
  options: RenderOptions,
): FunctionMetadata {
  const labels = provenanceLabels(spec, provenance, options.deployedAt);
  const annotations = provenanceAnnotations(spec, provenance);
  return {
    name: objectName(spec.owner, spec.functionName),
    namespace: options.namespace,
    identifying: {
      labels: picked(labels, identifyingLabels),
      annotations: picked(annotations, identifyingAnnotations),
    },
    workload: {
      labels: sorted({ ...spec.labels, ...labels }),
      annotations: sorted({ ...spec.annotations, ...annotations }),
    },
  };
}

function provenanceLabels(
  spec: FunctionSpec,
  provenance: Provenance,
  deployedAt: number,
): Record<string, string> {
  const git: Record<string, string> = {
    [gitLabels.owner]: labelValue(provenance.owner),
    [gitLabels.ownerId]: labelValue(provenance.ownerId),
    [gitLabels.repo]: labelValue(provenance.repo),
    [gitLabels.branch]: labelValue(provenance.branch),
    [gitLabels.sha]: provenance.sourceCommit,
    [gitLabels.scm]: provenance.scm,
    [gitLabels.private]: provenance.private ? '1' : '0',
    [deployTimeLabel]: String(Math.floor(deployedAt / 1000)),
  };
  const cloud = Object.entries(git).map(([key, value]) => [cloudSpelling(key), value]);
  return {
    ...git,
    ...Object.fromEntries(cloud),
    'com.openfaas.cloud.git-cloud': '1',
    [gitLabels.functionName]: spec.functionName,
  };
}

function provenanceAnnotations(spec: FunctionSpec, provenance: Provenance): Record<string, string> {
  const access = spec.annotations[towlineAnnotations.access];
  return {
    [towlineAnnotations.repo]: provenance.repo,
    [towlineAnnotations.branch]: provenance.branch.toWellFormed(),
    [towlineAnnotations.repoUrl]: provenance.repoUrl.toWellFormed(),
    [cloudSpelling(towlineAnnotations.repoUrl)]: provenance.repoUrl.toWellFormed(),
    ...(access === undefined ? {} : { [towlineAnnotations.access]: access }),
  };
}

/** In the shared namespace a secret carries its owner's name, as in OpenFaaS Cloud. */
export function secretNames(spec: FunctionSpec): string[] {
  const prefix = `${spec.owner}-`;
  return [...new Set(spec.secrets.map((name) => (name.startsWith(prefix) ? name : `${prefix}${name}`)))];
}

export function sorted<T>(map: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function picked(map: Record<string, string>, keys: readonly string[]): Record<string, string> {
  return sorted(Object.fromEntries(Object.entries(map).filter(([key]) => keys.includes(key))));
}

/** `{}` instead of a key whose value would be empty. */
export function unlessEmpty<T extends object>(key: string, value: T): Record<string, T> {
  return Object.keys(value).length > 0 ? { [key]: value } : {};
}
