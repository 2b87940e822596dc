import { entryName, type FunctionSpec, type Provenance } from '../../core/function-spec.ts';
import { CommitSha, digestOf, whyNotFunction, whyNotOwner } from '../../core/names.ts';
import { parseQuantity } from '../policy/quantity.ts';
import { whyNotConstraintKey, whyNotKey, whyNotLabelValue } from './forbidden-keys.ts';
import { constraintParts } from './pod.ts';
import { whyNotKnative } from './render-knative.ts';
import { whyNotKubernetes } from './render-kubernetes.ts';
import { readScaling } from './scaling.ts';
import type { Target } from './target.ts';

/** `__proto__` is left out: readers of the manifest would lose it without a word. */
const environmentName = /^(?!__proto__$)[A-Za-z_.-][A-Za-z0-9_.-]*$/;
const secretName = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const image = /^[a-z0-9][A-Za-z0-9._:/@-]{0,1000}$/;
const accessValues: ReadonlySet<string> = new Set(['public', 'members', 'owner']);
const maxEntries = 500;

export interface SpecProblem {
  code: 'name_invalid' | 'manifest_refused';
  message: string;
}

/** What must not become a manifest, whoever asks: the checks of DESIGN.md §4 and of Kubernetes' own grammar. */
export function whyNotSpec(
  spec: FunctionSpec,
  provenance: Provenance,
  target: Target = 'openfaas',
): SpecProblem | undefined {
  const name = whyNotOwner(spec.owner) ?? whyNotFunction(spec.owner, spec.functionName);
  if (name !== undefined) return { code: 'name_invalid', message: name };
  for (const problem of problems(spec, provenance)) return { code: 'manifest_refused', message: problem };
  for (const problem of targetProblems(spec, target)) return { code: 'manifest_refused', message: problem };
  return undefined;
}

function* problems(spec: FunctionSpec, provenance: Provenance): Generator<string> {
  if (provenance.owner !== spec.owner) yield 'the function and its source have different owners';
  if (!CommitSha.safeParse(provenance.sourceCommit).success)
    yield 'the source commit is not a full commit id';
  if (digestOf(spec.image) === undefined || !image.test(spec.image)) {
    yield 'the image is not given by its digest (…@sha256:…)';
  }
  yield* labelProblems(spec.labels);
  yield* annotationProblems(spec.annotations);
  yield* environmentProblems(spec.environment);
  yield* listProblems(spec);
  yield* resourceProblems(spec);
  yield* readScaling(spec.labels).problems;
}

function* targetProblems(spec: FunctionSpec, target: Target): Generator<string> {
  if (target === 'openfaas') return;
  yield* nodeSelectorProblems(spec);
  yield* target === 'knative' ? whyNotKnative(spec) : whyNotKubernetes(spec);
}

function* resourceProblems({ limits, requests }: FunctionSpec): Generator<string> {
  for (const [kind, resources] of [['limit', limits] as const, ['request', requests] as const]) {
    for (const [key, value] of Object.entries(resources)) {
      if (value !== undefined && parseQuantity(value) === undefined)
        yield `${key} ${kind} "${value}" is not a quantity such as 100m or 128Mi`;
    }
  }
  for (const key of ['cpu', 'memory'] as const) {
    const [limit, request] = [limits[key], requests[key]];
    if (limit === undefined || request === undefined) continue;
    if ((parseQuantity(request) ?? 0n) > (parseQuantity(limit) ?? 0n))
      yield `${key} request "${request}" is greater than its limit "${limit}"`;
  }
}

/** OpenFaaS passes over a constraint that it cannot read; a node selector must not lose one. */
function* nodeSelectorProblems(spec: FunctionSpec): Generator<string> {
  for (const constraint of spec.constraints) {
    const [key, value] = constraintParts(constraint) ?? [];
    if (key === undefined || value === undefined) {
      yield `constraint "${constraint}" is not of the form key=value`;
      continue;
    }
    const why = whyNotConstraintKey(key) ?? whyNotLabelValue(value);
    if (why !== undefined) yield `constraint "${constraint}" is refused: ${why}`;
  }
}

function* labelProblems(labels: Record<string, string>): Generator<string> {
  for (const [key, value] of Object.entries(labels)) {
    const why = whyNotKey(key) ?? whyNotLabelValue(value);
    if (why !== undefined) yield `${entryName('label', key)} is refused: ${why}`;
  }
}

function* annotationProblems(annotations: Record<string, string>): Generator<string> {
  for (const [key, value] of Object.entries(annotations)) {
    const why = whyNotKey(key) ?? whyNotText(value);
    const name = entryName('annotation', key);
    if (why !== undefined) yield `${name} is refused: ${why}`;
    if (key === 'towline.dev/access' && !accessValues.has(value)) {
      yield `${name} is public, members or owner`;
    }
  }
}

function* environmentProblems(environment: Record<string, string>): Generator<string> {
  for (const [key, value] of Object.entries(environment)) {
    const why = environmentName.test(key)
      ? whyNotText(value)
      : 'it is not a name for an environment variable';
    if (why !== undefined) yield `environment variable "${key}" is refused: ${why}`;
  }
}

function* listProblems(spec: FunctionSpec): Generator<string> {
  for (const secret of spec.secrets) {
    if (!secretName.test(secret)) yield `"${secret}" is not a name for a secret`;
  }
  for (const constraint of spec.constraints) {
    const why = whyNotText(constraint);
    if (why !== undefined) yield `a constraint is refused: ${why}`;
  }
  const counts = [spec.environment, spec.labels, spec.annotations].map((map) => Object.keys(map).length);
  if (Math.max(...counts, spec.secrets.length, spec.constraints.length) > maxEntries) {
    yield `more than ${maxEntries} entries of one kind`;
  }
}

function whyNotText(value: string): string | undefined {
  if (value.includes('\0')) return 'its value holds a NUL character';
  if (!value.isWellFormed()) return 'its value is not valid Unicode';
  return undefined;
}
