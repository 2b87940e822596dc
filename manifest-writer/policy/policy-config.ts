import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import { parseQuantity } from './quantity.ts';

const Quantity = z
  .string()
  .refine((text) => parseQuantity(text) !== undefined, 'a quantity such as 100m, 0.5, 128Mi or 1Gi');
/** `default` is given to a function that says none. */
const Bounds = z.strictObject({ default: Quantity.optional(), max: Quantity.optional() });
const Resources = z.strictObject({ cpu: Bounds.optional(), memory: Bounds.optional() });
const replicas = z.int().min(0).max(10_000);
const Patterns = z.array(z.string().min(1).max(300)).max(200);

/** All optional: what a level doesn't say is taken from the one above. */
const rules = {
  limits: Resources.optional(),
  requests: Resources.optional(),
  /** What `com.openfaas.scale.min` and `max` may say. */
  replicas: z.strictObject({ min: replicas.optional(), max: replicas.min(1).optional() }).optional(),
  scaleToZero: z
    .strictObject({ allowed: z.boolean().optional(), default: z.boolean().optional() })
    .optional(),
  /** `author`: as the function says; `forced`: always read-only. */
  readOnlyRootFilesystem: z.enum(['author', 'forced']).optional(),
  /** Outside of the bounds of limits, requests and replicas: no deploy, or a deploy at the bound with a warning. */
  outOfBounds: z.enum(['refuse', 'clamp']).optional(),
  /** Patterns of keys; `*` stands for anything but a slash. */
  allowedLabels: Patterns.optional(),
  allowedAnnotations: Patterns.optional(),
  /** Registries, or folders of one (`registry.example/team`), that images may come from; `null`: any. */
  registries: Patterns.nullable().optional(),
  maxFunctions: z.int().min(0).nullable().optional(),
  maxSecretsPerFunction: z.int().min(0).nullable().optional(),
};

const Rules = z.strictObject(rules);
type GivenRules = z.infer<typeof Rules>;

const TenantRules = z
  .strictObject({ ...rules, ownerId: z.string().min(1).optional(), owner: z.string().min(1).optional() })
  .refine(
    (tenant) => (tenant.ownerId === undefined) !== (tenant.owner === undefined),
    'a tenant is named by either "ownerId" or "owner"',
  );

/** The installation's rules, and those of single tenants, by the forge's id (which survives a rename) or by slug. */
export const PolicyConfig = z.strictObject({
  ...rules,
  tenants: z.array(TenantRules).max(10_000).default([]),
});
export type PolicyConfig = z.input<typeof PolicyConfig>;

/** Every rule, decided. */
export interface PolicyRules {
  limits: Required<GivenResources>;
  requests: Required<GivenResources>;
  replicas: { min?: number | undefined; max?: number | undefined };
  scaleToZero: { allowed: boolean; default: boolean };
  readOnlyRootFilesystem: 'author' | 'forced';
  outOfBounds: 'refuse' | 'clamp';
  allowedLabels: string[];
  allowedAnnotations: string[];
  registries: string[] | null;
  maxFunctions: number | null;
  maxSecretsPerFunction: number | null;
}
type GivenBounds = z.infer<typeof Bounds>;
type GivenResources = { cpu: GivenBounds; memory: GivenBounds };

/**
 * Keys with a prefix are instructions to somebody's controller (node roles, sidecars, secret injection), so only
 * those that are known to be harmless are allowed unless the installation names more.
 */
export const defaultRules: PolicyRules = {
  limits: { cpu: {}, memory: {} },
  requests: { cpu: {}, memory: {} },
  replicas: {},
  scaleToZero: { allowed: true, default: false },
  readOnlyRootFilesystem: 'author',
  outOfBounds: 'refuse',
  allowedLabels: ['*'],
  allowedAnnotations: ['*', 'prometheus.io/*', 'towline.dev/access'],
  registries: null,
  maxFunctions: null,
  maxSecretsPerFunction: null,
};

/** `over` where it says something, else `base`. */
export function mergedRules(base: PolicyRules, over: GivenRules): PolicyRules {
  return {
    limits: mergedResources(base.limits, over.limits),
    requests: mergedResources(base.requests, over.requests),
    replicas: { ...base.replicas, ...over.replicas },
    scaleToZero: {
      allowed: over.scaleToZero?.allowed ?? base.scaleToZero.allowed,
      default: over.scaleToZero?.default ?? base.scaleToZero.default,
    },
    readOnlyRootFilesystem: over.readOnlyRootFilesystem ?? base.readOnlyRootFilesystem,
    outOfBounds: over.outOfBounds ?? base.outOfBounds,
    allowedLabels: over.allowedLabels ?? base.allowedLabels,
    allowedAnnotations: over.allowedAnnotations ?? base.allowedAnnotations,
    // `null` is a word of its own here: no bound.
    registries: over.registries === undefined ? base.registries : over.registries,
    maxFunctions: over.maxFunctions === undefined ? base.maxFunctions : over.maxFunctions,
    maxSecretsPerFunction:
      over.maxSecretsPerFunction === undefined ? base.maxSecretsPerFunction : over.maxSecretsPerFunction,
  };
}

function mergedResources(base: GivenResources, over: z.infer<typeof Resources> | undefined): GivenResources {
  return { cpu: { ...base.cpu, ...over?.cpu }, memory: { ...base.memory, ...over?.memory } };
}

/** Throws `config_invalid` with the place of the mistake. */
export function parsePolicy(config: unknown): z.output<typeof PolicyConfig> {
  const parsed = PolicyConfig.safeParse(config);
  if (parsed.success) {
    assertOnce(parsed.data.tenants);
    return parsed.data;
  }
  const [issue] = parsed.error.issues;
  const where = issue?.path.map(String).join('.') || 'the policy';
  throw new TowlineError(
    'config_invalid',
    `the policy is not valid: ${where}: ${issue?.message ?? 'unknown'}`,
  );
}

function assertOnce(tenants: z.output<typeof PolicyConfig>['tenants']): void {
  const seen = new Set<string>();
  for (const { ownerId, owner } of tenants) {
    const key = JSON.stringify([ownerId, owner]);
    if (seen.has(key)) {
      throw new TowlineError('config_invalid', `the policy names the tenant "${ownerId ?? owner}" twice`);
    }
    seen.add(key);
  }
}
