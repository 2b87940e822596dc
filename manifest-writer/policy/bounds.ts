import type { FunctionSpec, Resources } from '../../core/function-spec.ts';
import { fewestReplicas, readScaling, scaleLabels } from '../render/scaling.ts';
import type { PolicyRules } from './policy-config.ts';
import { parseQuantity } from './quantity.ts';

/** What the bounds have to say; both lists are added to. */
export interface Findings {
  violations: string[];
  warnings: string[];
}

type Labels = Record<string, string>;
const kinds = { limits: 'limit', requests: 'request' } as const;

/** Limits and requests with defaults, inside the maxima. */
export function boundedResources(
  rules: PolicyRules,
  spec: FunctionSpec,
  findings: Findings,
): Pick<FunctionSpec, 'limits' | 'requests'> {
  const bounded = {
    limits: boundedKind('limits', rules, spec.limits, findings),
    requests: boundedKind('requests', rules, spec.requests, findings),
  };
  for (const key of ['cpu', 'memory'] as const) {
    const limit = bounded.limits[key];
    const request = bounded.requests[key];
    // A default or a clamped limit must not make an impossible pair with the request.
    if (limit === undefined || request === undefined || !isMore(request, limit)) continue;
    if (spec.requests[key] === undefined) bounded.requests[key] = limit;
    else if (spec.limits[key] === undefined) {
      outside(rules, findings, `the ${key} request "${request}"`, `at most the limit of "${limit}"`);
      bounded.requests[key] = limit;
    } else bounded.requests[key] = limit;
  }
  return bounded;
}

function boundedKind(
  kind: 'limits' | 'requests',
  rules: PolicyRules,
  asked: Resources,
  findings: Findings,
): Resources {
  const result: Resources = {};
  for (const key of ['cpu', 'memory'] as const) {
    const bounds = rules[kind][key];
    const given = asked[key];
    const value = given ?? bounds.default;
    if (value === undefined) continue;
    result[key] = value;
    if (bounds.max === undefined || !isMore(value, bounds.max)) continue;
    result[key] = bounds.max;
    // A default above the maximum is the operator's own affair.
    if (given === undefined) continue;
    outside(rules, findings, `the ${key} ${kinds[kind]} "${given}"`, `at most "${bounds.max}"`);
  }
  return result;
}

function isMore(one: string, other: string): boolean {
  return (parseQuantity(one) ?? 0n) > (parseQuantity(other) ?? 0n);
}

function outside(rules: PolicyRules, findings: Findings, what: string, allowed: string): void {
  if (rules.outOfBounds === 'clamp')
    findings.warnings.push(`${what} is set to what the policy allows: ${allowed}`);
  else findings.violations.push(`${what} is outside of what the policy allows: ${allowed}`);
}

/** The scale labels inside the replica bounds, with the scale-to-zero default. */
export function boundedReplicas(rules: PolicyRules, asked: Labels, findings: Findings): Labels {
  const labels = { ...asked };
  const range = rangeInWords(rules);
  for (const side of ['min', 'max'] as const) {
    const value = readScaling(asked).scaling[side];
    if (value === undefined || (side === 'min' && value === 0)) continue;
    const bound = clamped(value, rules);
    if (bound === value) continue;
    labels[scaleLabels[side]] = String(bound);
    outside(rules, findings, `label "${scaleLabels[side]}" (${value})`, range);
  }
  return withZero(rules, withUnsaid(rules, labels), findings);
}

/** A function that says no number is inside the bounds as well. */
function withUnsaid(rules: PolicyRules, labels: Labels): Labels {
  const { min, max } = rules.replicas;
  const unsaid: Labels = {};
  if (labels[scaleLabels.min] === undefined && min !== undefined && min > 1)
    unsaid[scaleLabels.min] = String(min);
  if (labels[scaleLabels.max] === undefined && max !== undefined) unsaid[scaleLabels.max] = String(max);
  return { ...labels, ...unsaid };
}

function withZero(rules: PolicyRules, labels: Labels, findings: Findings): Labels {
  const { scaling } = readScaling(labels);
  const { allowed, default: byDefault } = rules.scaleToZero;
  if (!allowed) {
    if (fewestReplicas(scaling) > 0) return labels;
    const what = scaling.zero === true ? scaleLabels.zero : scaleLabels.min;
    outside(rules, findings, `label "${what}"`, 'no scaling to zero');
    return { ...labels, [what]: scaling.zero === true ? 'false' : '1' };
  }
  if (!byDefault || scaling.zero !== undefined || scaling.min !== undefined) return labels;
  return { ...labels, [scaleLabels.zero]: 'true' };
}

function clamped(value: number, { replicas }: PolicyRules): number {
  return Math.min(replicas.max ?? value, Math.max(replicas.min ?? value, value));
}

function rangeInWords({ replicas: { min = 0, max } }: PolicyRules): string {
  return max === undefined ? `at least ${min} replicas` : `${min} to ${max} replicas`;
}
