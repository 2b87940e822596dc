import { relative } from 'node:path';
import { z } from 'zod';
import { defaultEnvironment } from '../core/environments.ts';
import { environmentList, PolicyConfig, SecretRules } from '../manifest-writer/index.ts';
import { parseYaml, readYamlText } from '../runtime/installation/yaml-file.ts';

/** What the supervisor of one machine can run; clusters have others. */
const runnable = 'openfaas';

const Installation = z.strictObject({
  /** What functions become. */
  target: z
    .enum(['openfaas', 'knative', 'kubernetes'])
    .default(runnable)
    .refine(
      (target) => target === runnable,
      `on one machine functions are run from "${runnable}" manifests only`,
    ),
  policy: PolicyConfig.optional(),
  secrets: SecretRules.optional(),
  environments: environmentList().default([]),
});
export type Installation = z.output<typeof Installation>;

/** Where the rules are, and who they must not be in the way of. */
export interface InstallationPlace {
  /** The file; without it the default one, which need not be there. */
  path: string | undefined;
  defaultPath: string;
  /** The first owner: no environment can be called so. */
  owner: string;
}

/** The rules of this installation from one YAML file. Throws `config_invalid` with the place of the first mistake. */
export function readInstallation({ path, defaultPath, owner }: InstallationPlace): Installation {
  const file = path ?? defaultPath;
  const text = readYamlText(file, { mayBeMissing: path === undefined });
  return text === undefined
    ? Installation.parse({})
    : parseInstallation(text, relative('', file) || file, owner);
}

/** `file` is for messages. Throws `config_invalid`. */
export function parseInstallation(text: string, file: string, owner?: string): Installation {
  return parseYaml(text, file, Installation, ({ environments }) => {
    const taken = environments.findIndex(({ name }) => name === owner && name !== defaultEnvironment);
    if (taken === -1) return undefined;
    return {
      path: ['environments', taken, 'name'],
      message: `"${owner}" is the first owner, below whose name others would have their hosts`,
    };
  });
}
