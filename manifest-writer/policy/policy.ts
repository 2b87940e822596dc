import { entryName, type FunctionSpec } from '../../core/function-spec.ts';
import { matchesPattern } from '../../core/pattern.ts';
import { boundedReplicas, boundedResources } from './bounds.ts';
import { defaultRules, mergedRules, type PolicyRules, parsePolicy } from './policy-config.ts';

/** Whose rules are asked for; the id is the identity, the slug its present name. */
export interface PolicySubject {
  owner: string;
  ownerId: string;
}

export type PolicyAnswer =
  | { type: 'allowed'; spec: FunctionSpec; warnings: string[] }
  | { type: 'refused'; violations: string[] };

/** What functions of an installation and of each tenant may ask for. */
export interface Policy {
  /** The spec with defaults and clamped values, or everything that is wrong with it. Nothing is changed without a word. */
  apply(spec: FunctionSpec, subject: PolicySubject): PolicyAnswer;
  /** Why a tenant that has `present` functions may not have another one. */
  whyNotOneMore(present: number, subject: PolicySubject): string | undefined;
}

/** A policy from an object as YAML or JSON gives it (`PolicyConfig`). Throws `config_invalid`. */
export function createPolicy(config: unknown = {}): Policy {
  const { tenants, ...installation } = parsePolicy(config);
  const common = mergedRules(defaultRules, installation);
  const byId = new Map(tenants.filter((one) => one.ownerId !== undefined).map((one) => [one.ownerId, one]));
  const bySlug = new Map(tenants.filter((one) => one.owner !== undefined).map((one) => [one.owner, one]));

  function rulesOf({ owner, ownerId }: PolicySubject): PolicyRules {
    const tenant = byId.get(ownerId) ?? bySlug.get(owner);
    return tenant === undefined ? common : mergedRules(common, tenant);
  }

  return {
    apply: (spec, subject) => applyRules(rulesOf(subject), spec),
    whyNotOneMore(present, subject) {
      const { maxFunctions } = rulesOf(subject);
      if (maxFunctions === null || present < maxFunctions) return undefined;
      return `"${subject.owner}" has ${present} functions; the policy allows ${maxFunctions}`;
    },
  };
}

function applyRules(rules: PolicyRules, asked: FunctionSpec): PolicyAnswer {
  const findings = { violations: [...refusals(rules, asked)], warnings: [] };
  const resources = boundedResources(rules, asked, findings);
  const labels = boundedReplicas(rules, asked.labels, findings);
  const spec: FunctionSpec = { ...asked, ...resources, labels };
  if (rules.readOnlyRootFilesystem === 'forced') spec.readOnlyRootFilesystem = true;
  const { violations, warnings } = findings;
  return violations.length > 0 ? { type: 'refused', violations } : { type: 'allowed', spec, warnings };
}

function* refusals(rules: PolicyRules, spec: FunctionSpec): Generator<string> {
  yield* keyRefusals('label', Object.keys(spec.labels), rules.allowedLabels);
  yield* keyRefusals('annotation', Object.keys(spec.annotations), rules.allowedAnnotations);
  const { registries, maxSecretsPerFunction: maxSecrets } = rules;
  if (registries !== null && !registries.some((registry) => spec.image.startsWith(`${trimmed(registry)}/`))) {
    yield `the image is not from a registry that the policy allows (${registries.join(', ') || 'none'})`;
  }
  if (maxSecrets !== null && spec.secrets.length > maxSecrets) {
    yield `the function names ${spec.secrets.length} secrets; the policy allows ${maxSecrets}`;
  }
}

function* keyRefusals(kind: 'label' | 'annotation', keys: string[], allowed: string[]): Generator<string> {
  for (const key of keys) {
    if (allowed.some((pattern) => matchesPattern(pattern, key))) continue;
    yield `${entryName(kind, key)} is not allowed by the policy (allowed: ${allowed.join(', ') || 'none'})`;
  }
}

function trimmed(registry: string): string {
  return registry.replace(/\/{1,10}$/, '');
}
