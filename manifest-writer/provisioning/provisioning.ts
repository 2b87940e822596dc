import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import { whyNotTenantEnvironment } from '../../core/tenants.ts';
import type { Environments } from '../environments/environments.ts';
import { clusterPattern } from './set-up.ts';

/** Who sets up what applies the folder of a new tenant. */
export const ProvisioningConfig = z.strictObject({
  /** `automatic`: the writer, before the first deploy. `manual`: an operator; until then deploys are refused. */
  tenants: z.enum(['automatic', 'manual']),
  /** How many tenants of one cluster the writer sets up; an operator may go on. */
  maxTenants: z.int().min(1).max(100_000).default(5_000),
});
export type ProvisioningConfig = z.input<typeof ProvisioningConfig>;
export type Provisioning = z.output<typeof ProvisioningConfig>;

/** `undefined`: nothing has to be set up. Throws `config_invalid` if an environment can have no tenants. */
export function readProvisioning(
  config: ProvisioningConfig | undefined,
  environments: Environments,
): Provisioning | undefined {
  if (config === undefined) return undefined;
  for (const name of environments.names) {
    const cluster = environments.get(name)?.cluster ?? '';
    const problem = clusterPattern.test(cluster)
      ? whyNotTenantEnvironment(name)
      : `its cluster "${cluster}" is not a DNS label`;
    if (problem !== undefined) {
      throw new TowlineError('config_invalid', `the environment "${name}": ${problem}`);
    }
  }
  return ProvisioningConfig.parse(config);
}
