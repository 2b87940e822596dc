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
  /** Where its objects go: a name for people and for the GitOps engine's set-up. Those that say none share one. */
  cluster: z.string().max(200).default(''),
  /** Of the functions' objects. If it isn't given: the installation's, and of another one `<that>-<environment>`. */
  namespace: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'a namespace is a DNS label')
    .optional(),
  /** As the installation's policy, which it takes the place of. */
  policy: PolicyConfig.optional(),
});

type ParsedEnvironment = z.output<typeof EnvironmentConfig>;

/** Of functions' objects, where an installation says nothing else. */
export const defaultNamespace = 'openfaas-fn';

/** As `openfaas-fn-staging`. */
function namespaceOf({ name, namespace }: ParsedEnvironment, installation: string): string {
  return namespace ?? (name === defaultEnvironment ? installation : `${installation}-${name}`);
}

/**
 * Names are claimed within an environment, so that two of them must not share a namespace: of the functions `a-b` + `c`
 * and `a` + `b-c` one would take the other's place in the cluster.
 */
function whyNotNamespace(list: readonly ParsedEnvironment[], index: number, installation: string) {
  const one = list[index];
  if (!one) return undefined;
  const namespace = namespaceOf(one, installation);
  if (namespace.length > 63) return `"${namespace}" is longer than 63 characters; say another namespace`;
  const others = list.some(({ name }) => name === defaultEnvironment)
    ? list.slice(0, index)
    : [implicitDefault(), ...list.slice(0, index)];
  const other = others.find(
    (before) => before.cluster === one.cluster && namespaceOf(before, installation) === namespace,
  );
  if (!other) return undefined;
  const where = one.cluster === '' ? '' : ` of the cluster "${one.cluster}"`;
  const what = `"${other.name}" and "${one.name}" share the namespace "${namespace}"${where}`;
  return `${what}, where functions of one would take the place of the other's; say another namespace`;
}

function implicitDefault(): ParsedEnvironment {
  return EnvironmentConfig.parse({ name: defaultEnvironment });
}

/**
 * In the order in which a ref looks for its environment; one that isn't named `default` is added for that. `namespace` is
 * the installation's.
 */
export const environmentList = (namespace: string = defaultNamespace) =>
  z
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
        const shared = whyNotNamespace(list, index, namespace);
        if (shared !== undefined) problem('namespace', shared);
      }
    });
export type EnvironmentConfig = z.input<typeof EnvironmentConfig>;

export interface Environment {
  name: string;
  cluster: string;
  namespace: string;
  policy: Policy | undefined;
}

export interface Environments extends RefTargets {
  names: string[];
  get(name: string): Environment | undefined;
}

/** `installation`: its namespace. Without any configuration each repository's default branch is deployed to the one default environment. Throws `config_invalid`. */
export function createEnvironments(
  config: readonly EnvironmentConfig[] = [],
  installation: string = defaultNamespace,
): Environments {
  const parsed = environmentList(installation).safeParse(config);
  if (!parsed.success) {
    throw new TowlineError('config_invalid', `the environments: ${z.prettifyError(parsed.error)}`);
  }
  const list = parsed.data;
  if (!list.some(({ name }) => name === defaultEnvironment)) {
    list.push(implicitDefault());
  }
  const environments = new Map<string, Environment>();
  for (const one of list) {
    const { name, cluster, policy } = one;
    const rules = policy === undefined ? undefined : createPolicy(policy);
    const namespace = namespaceOf(one, installation);
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

function takesBranch({ name, branches }: ParsedEnvironment, branch: string, defaultBranch: string): boolean {
  if (branches === undefined) return name === defaultEnvironment && branch === defaultBranch;
  return branches.some((one) => matches(one, branch));
}

function nowhere(kind: 'branch' | 'tag', name: string): RefTarget {
  return { way: 'none', reason: `no environment takes the ${kind} ${name}` };
}

function matches(pattern: string, name: string): boolean {
  return pattern === '**' || matchesPattern(pattern, name);
}
