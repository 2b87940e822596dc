import { z } from 'zod';
import { defaultEnvironment, whyNotEnvironment } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import { matchesPattern } from '../policy/pattern.ts';
import { createPolicy, type Policy } from '../policy/policy.ts';

const Pattern = z.string().min(1).max(200);

/** One environment: which pushes go there, and by which rules. Its manifests' path follows from its name. */
export const EnvironmentConfig = z.strictObject({
  name: z.string().refine((name) => whyNotEnvironment(name) === undefined, {
    error: (issue) => whyNotEnvironment(String(issue.input)) ?? 'not an environment',
  }),
  /** Branches of source repositories whose pushes are deployed here; `*` stands for anything but a slash. */
  branches: z.array(Pattern).max(50).default([]),
  /** Tags or releases whose commit is promoted here. */
  tags: z.array(Pattern).max(50).default([]),
  /** Where a tag promotes from. */
  promotesFrom: z.string().default(defaultEnvironment),
  /** For people and for the GitOps engine's set-up. */
  cluster: z.string().max(200).optional(),
  /** Of the functions' objects; the installation's if it isn't given. */
  namespace: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
    .optional(),
  /** As the installation's policy, which it takes the place of. */
  policy: z.record(z.string(), z.unknown()).optional(),
});
export type EnvironmentConfig = z.input<typeof EnvironmentConfig>;

export interface Environment {
  name: string;
  cluster: string | undefined;
  namespace: string | undefined;
  policy: Policy | undefined;
}

/** What a ref of a source repository asks for. */
export type RefTarget =
  | { way: 'deploy'; environment: string }
  | { way: 'promote'; from: string; environment: string };

export interface Environments {
  names: string[];
  get(name: string): Environment | undefined;
  /** Of a full ref; the first environment in the configuration's order that wants it. `undefined`: nothing is done. */
  forRef(ref: string): RefTarget | undefined;
}

/** Without any configuration every branch is deployed to the one default environment. Throws `config_invalid`. */
export function createEnvironments(config: readonly EnvironmentConfig[] = []): Environments {
  const parsed = z.array(EnvironmentConfig).max(100).safeParse(config);
  if (!parsed.success) throw invalid(z.prettifyError(parsed.error));
  const list = parsed.data;
  if (!list.some(({ name }) => name === defaultEnvironment)) {
    const branches = list.some((one) => one.branches.length > 0) ? [] : ['**'];
    list.push(EnvironmentConfig.parse({ name: defaultEnvironment, branches }));
  }
  const environments = new Map<string, Environment>();
  for (const { name, cluster, namespace, policy } of list) {
    if (environments.has(name)) throw invalid(`the environment "${name}" is there twice`);
    const rules = policy === undefined ? undefined : createPolicy(policy);
    environments.set(name, { name, cluster, namespace, policy: rules });
  }
  const stray = list.find(({ promotesFrom }) => !environments.has(promotesFrom));
  if (stray) throw invalid(`"${stray.name}" promotes from "${stray.promotesFrom}", which is no environment`);

  return {
    names: [...environments.keys()],
    get: (name) => environments.get(name),
    forRef(ref) {
      const [, kind, name = ''] = /^refs\/(heads|tags)\/(.+)$/.exec(ref) ?? [];
      if (kind === 'heads') {
        const found = list.find(({ branches }) => branches.some((one) => matches(one, name)));
        return found && { way: 'deploy', environment: found.name };
      }
      const found =
        kind === 'tags' ? list.find(({ tags }) => tags.some((one) => matches(one, name))) : undefined;
      return found && { way: 'promote', from: found.promotesFrom, environment: found.name };
    },
  };
}

function matches(pattern: string, name: string): boolean {
  return pattern === '**' || matchesPattern(pattern, name);
}

function invalid(message: string): TowlineError {
  return new TowlineError('config_invalid', `the environments: ${message}`);
}
