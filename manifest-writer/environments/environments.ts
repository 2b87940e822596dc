import { z } from 'zod';
import {
  branchOrTag,
  defaultBranchOnly,
  defaultEnvironment,
  type RefTarget,
  type RefTargets,
  whyNotEnvironment,
} from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import { matchesPattern } from '../policy/pattern.ts';
import { createPolicy, type Policy } from '../policy/policy.ts';
import { PolicyConfig } from '../policy/policy-config.ts';

const Patterns = z.array(z.string().min(1).max(200)).max(50);

/** One environment: which pushes go there, and by which rules. Its manifests' path follows from its name. */
const EnvironmentConfig = z.strictObject({
  name: z.string().refine((name) => whyNotEnvironment(name) === undefined, {
    error: (issue) => whyNotEnvironment(String(issue.input)) ?? 'not an environment',
  }),
  /**
   * Branches of source repositories whose pushes are deployed here; `*` stands for anything but a slash, `**` alone for
   * every branch. Of the default environment that doesn't say: each repository's default branch.
   */
  branches: Patterns.optional(),
  /** Tags whose commit is promoted here. */
  tags: Patterns.default([]),
  /** Where a tag promotes from. */
  promotesFrom: z.string().default(defaultEnvironment),
  /** For people and for the GitOps engine's set-up. */
  cluster: z.string().max(200).optional(),
  /** Of the functions' objects; the installation's if it isn't given. */
  namespace: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'a namespace is a DNS label')
    .optional(),
  /** As the installation's policy, which it takes the place of. */
  policy: PolicyConfig.optional(),
});

/** In the order in which a ref looks for its environment; one that isn't named `default` is added for that. */
export const EnvironmentList = z
  .array(EnvironmentConfig)
  .max(100)
  .superRefine((list, context) => {
    const names = new Set([defaultEnvironment, ...list.map(({ name }) => name)]);
    for (const [index, { name, tags, promotesFrom }] of list.entries()) {
      const problem = (field: string, message: string) =>
        context.addIssue({ code: 'custom', path: [index, field], message });
      if (list.findIndex((one) => one.name === name) !== index) problem('name', `"${name}" is there twice`);
      if (!names.has(promotesFrom)) problem('promotesFrom', `"${promotesFrom}" is no environment`);
      else if (promotesFrom === name && tags.length > 0)
        problem(
          'promotesFrom',
          `"${name}" cannot promote from itself; name the environment that it comes from`,
        );
    }
  });
export type EnvironmentConfig = z.input<typeof EnvironmentConfig>;

export interface Environment {
  name: string;
  cluster: string | undefined;
  namespace: string | undefined;
  policy: Policy | undefined;
}

export interface Environments extends RefTargets {
  names: string[];
  get(name: string): Environment | undefined;
}

/** Without any configuration each repository's default branch is deployed to the one default environment. Throws `config_invalid`. */
export function createEnvironments(config: readonly EnvironmentConfig[] = []): Environments {
  const parsed = EnvironmentList.safeParse(config);
  if (!parsed.success) {
    throw new TowlineError('config_invalid', `the environments: ${z.prettifyError(parsed.error)}`);
  }
  const list = parsed.data;
  if (!list.some(({ name }) => name === defaultEnvironment)) {
    list.push(EnvironmentConfig.parse({ name: defaultEnvironment }));
  }
  const environments = new Map<string, Environment>();
  for (const { name, cluster, namespace, policy } of list) {
    const rules = policy === undefined ? undefined : createPolicy(policy);
    environments.set(name, { name, cluster, namespace, policy: rules });
  }
  const names = [...environments.keys()];

  function forRef(ref: string, defaultBranch: string): RefTarget {
    const found = branchOrTag(ref);
    if (found === undefined) return { way: 'none', reason: `${ref} is neither a branch nor a tag` };
    const { kind, name } = found;
    if (kind === 'branch') {
      const environment = list.find((one) => takesBranch(one, name, defaultBranch))?.name;
      return environment === undefined ? nowhere(kind, name) : { way: 'deploy', environment };
    }
    const target = list.find(({ tags }) => tags.some((one) => matches(one, name)));
    if (!target) return nowhere(kind, name);
    return { way: 'promote', from: target.promotesFrom, environment: target.name };
  }

  return {
    names,
    environments: names,
    get: (name) => environments.get(name),
    forRef: config.length === 0 ? defaultBranchOnly.forRef : forRef,
  };
}

function takesBranch(
  { name, branches }: z.output<typeof EnvironmentConfig>,
  branch: string,
  defaultBranch: string,
): boolean {
  if (branches === undefined) return name === defaultEnvironment && branch === defaultBranch;
  return branches.some((one) => matches(one, branch));
}

function nowhere(kind: 'branch' | 'tag', name: string): RefTarget {
  return { way: 'none', reason: `no environment takes the ${kind} ${name}` };
}

function matches(pattern: string, name: string): boolean {
  return pattern === '**' || matchesPattern(pattern, name);
}
