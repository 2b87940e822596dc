import { z } from 'zod';
import {
  branchOrTag,
  defaultBranchOnly,
  defaultEnvironment,
  type NamedRepository,
  type RefTarget,
  type RefTargets,
  whyNotEnvironment,
} from '../../core/environments.ts';
import { matchesPattern } from '../../core/pattern.ts';

const Patterns = z.array(z.string().min(1).max(200)).max(50);

/** The branches of one repository that are deployed, in place of the environment's. */
const RepositoryRules = z
  .strictObject({
    /** As the forge writes it, `acme/shop`; letters may be of either case. Changes with a rename. */
    path: z.string().min(3).max(700).optional(),
    /** The forge's own id, which stays. */
    id: z.string().min(1).max(200).optional(),
    branches: Patterns,
  })
  .refine(({ path, id }) => (path === undefined) !== (id === undefined), 'say either its path or its id');
type RepositoryRules = z.output<typeof RepositoryRules>;

/** One environment: which pushes go there, and by which rules. Its manifests' path follows from its name. */
export const EnvironmentRules = z.strictObject({
  name: z.string().refine((name) => whyNotEnvironment(name) === undefined, {
    error: (issue) => whyNotEnvironment(String(issue.input)) ?? 'not an environment',
  }),
  /**
   * Branches of source repositories whose pushes are deployed here; `*` stands for anything but a slash, `**` alone for
   * every branch. Of the default environment that doesn't say: each repository's default branch.
   */
  branches: Patterns.optional(),
  /** Repositories of which other branches are deployed here than `branches` says; the first that fits counts. */
  repositories: z.array(RepositoryRules).max(1000).default([]),
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
  /** What functions may ask for there; the manifest-writer's to read. */
  policy: z.unknown().optional(),
});
export type EnvironmentRules = z.output<typeof EnvironmentRules>;

/** Of functions' objects, where an installation says nothing else. */
export const defaultNamespace = 'openfaas-fn';

/** As `openfaas-fn-staging`; `installation` is the installation's. */
export function environmentNamespace(
  { name, namespace }: Pick<EnvironmentRules, 'name' | 'namespace'>,
  installation: string = defaultNamespace,
): string {
  return namespace ?? (name === defaultEnvironment ? installation : `${installation}-${name}`);
}

export function implicitDefault(): EnvironmentRules {
  return EnvironmentRules.parse({ name: defaultEnvironment });
}

/**
 * Names are claimed within an environment, so that two of them must not share a namespace: of the functions `a-b` + `c`
 * and `a` + `b-c` one would take the other's place in the cluster.
 */
function whyNotNamespace(list: readonly EnvironmentRules[], index: number, installation: string) {
  const one = list[index];
  if (!one) return undefined;
  const namespace = environmentNamespace(one, installation);
  if (namespace.length > 63) return `"${namespace}" is longer than 63 characters; say another namespace`;
  const others = list.some(({ name }) => name === defaultEnvironment)
    ? list.slice(0, index)
    : [implicitDefault(), ...list.slice(0, index)];
  const other = others.find(
    (before) => before.cluster === one.cluster && environmentNamespace(before, installation) === namespace,
  );
  if (!other) return undefined;
  const where = one.cluster === '' ? '' : ` of the cluster "${one.cluster}"`;
  const what = `"${other.name}" and "${one.name}" share the namespace "${namespace}"${where}`;
  return `${what}, where functions of one would take the place of the other's; say another namespace`;
}

/** Of a list of environments, for zod's `superRefine`: names, promotions and namespaces that fit each other. */
export function checkEnvironments(
  list: readonly EnvironmentRules[],
  problem: (index: number, field: string, message: string) => void,
  installation: string = defaultNamespace,
): void {
  const names = new Set([defaultEnvironment, ...list.map(({ name }) => name)]);
  for (const [index, { name, tags, promotesFrom }] of list.entries()) {
    if (list.findIndex((one) => one.name === name) !== index)
      problem(index, 'name', `"${name}" is there twice`);
    if (!names.has(promotesFrom)) problem(index, 'promotesFrom', `"${promotesFrom}" is no environment`);
    else if (promotesFrom === name && tags.length > 0) {
      const message = `"${name}" cannot promote from itself; name the environment that it comes from`;
      problem(index, 'promotesFrom', message);
    }
    const shared = whyNotNamespace(list, index, installation);
    if (shared !== undefined) problem(index, 'namespace', shared);
  }
}

/** With the default environment, which is added at the end if it isn't there. */
export function withDefault<T extends EnvironmentRules>(list: readonly T[], makeDefault: () => T): T[] {
  return list.some(({ name }) => name === defaultEnvironment) ? [...list] : [...list, makeDefault()];
}

/** Which refs go where, in the order of the list; without any, default branches are deployed and nothing else. */
export function refTargets(given: readonly EnvironmentRules[]): RefTargets {
  const list = withDefault(given, implicitDefault);
  function forRef(ref: string, defaultBranch: string, repository?: NamedRepository): RefTarget {
    const found = branchOrTag(ref);
    if (found === undefined) return { way: 'none', reason: `${ref} is neither a branch nor a tag` };
    const { kind, name } = found;
    if (kind === 'branch') {
      const environment = list.find((one) => takesBranch(one, name, defaultBranch, repository))?.name;
      return environment === undefined ? nowhere(kind, name) : { way: 'deploy', environment };
    }
    const target = list.find(({ tags }) => tags.some((one) => matches(one, name)));
    if (!target) return nowhere(kind, name);
    return { way: 'promote', from: target.promotesFrom, environment: target.name };
  }
  return {
    environments: list.map(({ name }) => name),
    forRef: given.length === 0 ? defaultBranchOnly.forRef : forRef,
  };
}

function isIt({ path, id }: RepositoryRules, repository: NamedRepository): boolean {
  if (id !== undefined) return id === repository.id;
  const own = repository.path ?? `${repository.owner}/${repository.name}`;
  return path?.toLowerCase() === own.toLowerCase();
}

function takesBranch(
  { name, branches, repositories }: EnvironmentRules,
  branch: string,
  defaultBranch: string,
  repository: NamedRepository | undefined,
): boolean {
  const rules = repository && repositories.find((one) => isIt(one, repository));
  if (rules) return rules.branches.some((one) => matches(one, branch));
  if (branches === undefined) return name === defaultEnvironment && branch === defaultBranch;
  return branches.some((one) => matches(one, branch));
}

function nowhere(kind: 'branch' | 'tag', name: string): RefTarget {
  return { way: 'none', reason: `no environment takes the ${kind} ${name}` };
}

function matches(pattern: string, name: string): boolean {
  return pattern === '**' || matchesPattern(pattern, name);
}
