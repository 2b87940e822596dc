import { z } from 'zod';
import { parseYaml, readYamlText } from '../runtime/installation/yaml-file.ts';
import { environmentList } from './environments/environments.ts';
import { PolicyConfig } from './policy/policy-config.ts';
import { targets } from './render/target.ts';
import { SecretRules } from './secrets/secret-rules.ts';

/** The whole file that other programs read a part of. */
const WriterRules = z.strictObject({
  target: z.enum(targets).default('openfaas'),
  policy: PolicyConfig.optional(),
  secrets: SecretRules.optional(),
  environments: environmentList().default([]),
});
export type WriterRules = z.output<typeof WriterRules>;

/** Throws `config_invalid` with the place of the first mistake. */
export function readWriterRules(file: string | undefined): WriterRules {
  const text = file === undefined ? undefined : readYamlText(file, { mayBeMissing: false });
  return parseYaml(text ?? '', file ?? 'TOWLINE_CONFIG', WriterRules);
}
