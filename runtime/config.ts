import { z } from 'zod';
import { TowlineError } from '../core/errors.ts';

/** The environment as a service gets it; only `main.ts` and `config.ts` hand in the process's own. */
export type Environment = Record<string, string | undefined>;

/**
 * One setting: where it comes from, what it may be, and the line that documents it.
 * `secret` settings are redacted wherever a configuration is shown.
 */
export interface Setting<T extends z.ZodType = z.ZodType> {
  env: string;
  schema: T;
  description: string;
  /** Shown in the docs; the schema's own default is what counts. */
  defaultText: string;
  secret?: boolean;
}

export type Settings = Record<string, Setting>;

export type ConfigOf<S extends Settings> = { readonly [K in keyof S]: z.infer<S[K]['schema']> };

/** Reads every setting and reports all problems at once, each with the variable's name. Throws `config_invalid`. */
export function readConfig<S extends Settings>(settings: S, env: Environment): ConfigOf<S> {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, setting] of Object.entries(settings)) {
    const text = env[setting.env];
    const result = setting.schema.safeParse(text === '' ? undefined : text);
    if (result.success) values[name] = result.data;
    else problems.push(`${setting.env}: ${result.error.issues.map((issue) => issue.message).join(', ')}`);
  }
  if (problems.length > 0) {
    throw new TowlineError(
      'config_invalid',
      `the configuration has ${problems.length} problem(s)\n  ${problems.join('\n  ')}`,
    );
  }
  return Object.freeze(values) as ConfigOf<S>;
}

/** A whole number from text, as environment variables hold it. */
export function integerSetting(range: { min: number; max: number; default: number }) {
  const message = `must be a whole number from ${range.min} to ${range.max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= range.min && value <= range.max, message)
    .default(range.default);
}

export function booleanSetting(fallback: boolean) {
  return z
    .enum(['true', 'false', '1', '0'], 'must be true or false')
    .transform((text) => text === 'true' || text === '1')
    .default(fallback);
}

/** The rows of the environment table in docs/configuration.md. */
export function settingsTable(settings: Settings): string {
  const rows = Object.values(settings).map(
    (setting) => `| \`${setting.env}\` | ${setting.defaultText} | ${setting.description} |`,
  );
  return ['| variable | default | meaning |', '|---|---|---|', ...rows].join('\n');
}

/** The same for a terminal. */
export function settingsText(settings: Settings): string {
  const rows = Object.values(settings).map(
    (setting) => `  ${setting.env} (${setting.defaultText}): ${setting.description}`,
  );
  return rows.join('\n');
}
