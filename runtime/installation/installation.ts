import { resolve } from 'node:path';
import { z } from 'zod';
import type { Settings } from '../config.ts';
import { checkEnvironments, EnvironmentRules } from './environment-rules.ts';
import { parseYaml, readYamlText } from './yaml-file.ts';

/** What every program has to know of the installation's rules; the rest of the file is the manifest-writer's to check. */
const InstallationRules = z.looseObject({
  /** What functions become. */
  target: z.enum(['openfaas', 'knative', 'kubernetes']).default('openfaas'),
  environments: z
    .array(EnvironmentRules)
    .max(100)
    .superRefine((list, context) =>
      checkEnvironments(list, (index, field, message) =>
        context.addIssue({ code: 'custom', path: [index, field], message }),
      ),
    )
    .default([]),
});
export type InstallationRules = Pick<z.output<typeof InstallationRules>, 'target' | 'environments'>;

export const installationFileSetting = {
  configFile: {
    env: 'TOWLINE_CONFIG',
    schema: z
      .string()
      .min(1)
      .optional()
      .transform((path) => path && resolve(path)),
    defaultText: 'none: the target is openfaas, default branches are deployed',
    description:
      'YAML file with the rules of the installation (target, policy, environments, secrets): environments.md. All programs read the same one.',
  },
} satisfies Settings;

/** The same file that the manifest-writer reads. Throws `config_invalid` with the place of the first mistake. */
export function readInstallationRules(file: string | undefined): InstallationRules {
  const text = file === undefined ? undefined : readYamlText(file, { mayBeMissing: false });
  return parseYaml(text ?? '', file ?? 'TOWLINE_CONFIG', InstallationRules);
}
