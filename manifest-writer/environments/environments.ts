import { z } from 'zod';
import type { RefTargets } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import {
  checkEnvironments,
  defaultNamespace,
  EnvironmentRules,
  environmentNamespace,
  implicitDefault,
  refTargets,
  withDefault,
} from '../../runtime/installation/environment-rules.ts';
import { createPolicy, type Policy } from '../policy/policy.ts';
import { PolicyConfig } from '../policy/policy-config.ts';

export { defaultNamespace };

const EnvironmentConfig = EnvironmentRules.extend({
  /** As the installation's policy, which it takes the place of. */
  policy: PolicyConfig.optional(),
});
type ParsedEnvironment = z.output<typeof EnvironmentConfig>;

/**
 * In the order in which a ref looks for its environment; one that isn't named `default` is added for that. `namespace` is
 * the installation's.
 */
export const environmentList = (namespace: string = defaultNamespace) =>
  z
    .array(EnvironmentConfig)
    .max(100)
    .superRefine((list, context) =>
      checkEnvironments(
        list,
        (index, field, message) => context.addIssue({ code: 'custom', path: [index, field], message }),
        namespace,
      ),
    );
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
  const list = withDefault<ParsedEnvironment>(parsed.data, () => ({
    ...implicitDefault(),
    policy: undefined,
  }));
  const environments = new Map<string, Environment>();
  for (const one of list) {
    const { name, cluster, policy } = one;
    const rules = policy === undefined ? undefined : createPolicy(policy);
    const namespace = environmentNamespace(one, installation);
    environments.set(name, { name, cluster, namespace, policy: rules });
  }
  const names = [...environments.keys()];
  return {
    ...refTargets(parsed.data),
    names,
    environments: names,
    get: (name) => environments.get(name),
  };
}
