import { isDeepStrictEqual } from 'node:util';
import {
  type FunctionSpec,
  gitLabels,
  OpenFaasFunction,
  type Provenance,
  type Resources,
  towlineAnnotations,
} from '../../core/function-spec.ts';
import { labelValue, objectName } from '../../core/names.ts';
import { fromYaml, toYaml } from './yaml-text.ts';

export interface RenderOptions {
  namespace: string;
  /** When the deploy was asked for; milliseconds since the epoch. */
  deployedAt: number;
}

/** OpenFaaS Cloud's spelling of today's `com.openfaas.git-*` keys. */
const cloudSpelling = (key: string) => key.replace(/^com\.openfaas\.git-/, 'com.openfaas.cloud.git-');

/** Changes with every deploy, so it is left aside when two manifests are compared. */
const deployTimeKeys = ['com.openfaas.git-deploytime', 'com.openfaas.cloud.git-deploytime'];

/**
 * What tells an object apart by selector. The whole set, in both spellings, is on `spec` alone: from there OpenFaaS puts
 * it on the workload, and a deploy's diff says everything once.
 */
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

/** The one manifest of a function: a checked spec (`whyNotSpec`) in, the file's text out. */
export function renderFunction(spec: FunctionSpec, provenance: Provenance, options: RenderOptions): string {
  const name = objectName(spec.owner, spec.functionName);
  const labels = provenanceLabels(spec, provenance, options);
  const annotations = provenanceAnnotations(spec, provenance);
  const data = {
    apiVersion: 'openfaas.com/v1',
    kind: 'Function',
    metadata: {
      name,
      namespace: options.namespace,
      labels: picked(labels, identifyingLabels),
      annotations: picked(annotations, identifyingAnnotations),
    },
    spec: {
      name,
      image: spec.image,
      labels: sorted({ ...spec.labels, ...labels }),
      annotations: sorted({ ...spec.annotations, ...annotations }),
      ...someMap('environment', sorted(spec.environment)),
      ...someList('secrets', secretNames(spec)),
      ...someList('constraints', spec.constraints),
      ...someMap('limits', resources(spec.limits)),
      ...someMap('requests', resources(spec.requests)),
      ...(spec.readOnlyRootFilesystem ? { readOnlyRootFilesystem: true } : {}),
    },
  };
  const text = toYaml(data);
  if (!isDeepStrictEqual(fromYaml(text), data)) throw new Error('the rendered manifest does not read back');
  OpenFaasFunction.parse(data);
  return text;
}

/** The manifest's data, or `undefined` if the text is not exactly one valid Function. */
export function readFunction(text: string): OpenFaasFunction | undefined {
  return OpenFaasFunction.safeParse(fromYaml(text)).data;
}

/** Whether two manifests ask for the same, the time of the deploy aside. */
export function asksForTheSame(one: string, other: string): boolean {
  if (one === other) return true;
  const [first, second] = [withoutDeployTime(one), withoutDeployTime(other)];
  return first !== undefined && isDeepStrictEqual(first, second);
}

function withoutDeployTime(text: string): unknown {
  if (readFunction(text) === undefined) return undefined;
  // Compared as data, unknown fields too: a person's edit of one must be put right by the next deploy.
  return JSON.parse(JSON.stringify(fromYaml(text)), (key, value) =>
    deployTimeKeys.includes(key) ? undefined : value,
  );
}

function provenanceLabels(
  spec: FunctionSpec,
  provenance: Provenance,
  options: RenderOptions,
): Record<string, string> {
  const git: Record<string, string> = {
    [gitLabels.owner]: labelValue(provenance.owner),
    [gitLabels.ownerId]: labelValue(provenance.ownerId),
    [gitLabels.repo]: labelValue(provenance.repo),
    [gitLabels.branch]: labelValue(provenance.branch),
    [gitLabels.sha]: provenance.sourceCommit,
    [gitLabels.scm]: provenance.scm,
    [gitLabels.private]: provenance.private ? '1' : '0',
    'com.openfaas.git-deploytime': String(Math.floor(options.deployedAt / 1000)),
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
function secretNames(spec: FunctionSpec): string[] {
  const prefix = `${spec.owner}-`;
  return spec.secrets.map((name) => (name.startsWith(prefix) ? name : `${prefix}${name}`));
}

function sorted(map: Record<string, string>): Record<string, string> {
  const entries = Object.entries(map);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function picked(map: Record<string, string>, keys: readonly string[]): Record<string, string> {
  return sorted(Object.fromEntries(Object.entries(map).filter(([key]) => keys.includes(key))));
}

function resources(given: Resources): Record<string, string> {
  const entries = Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return sorted(Object.fromEntries(entries));
}

function someMap(key: string, map: Record<string, string>): Record<string, Record<string, string>> {
  return Object.keys(map).length > 0 ? { [key]: map } : {};
}

function someList(key: string, list: readonly string[]): Record<string, string[]> {
  return list.length > 0 ? { [key]: [...list] } : {};
}
