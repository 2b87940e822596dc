import { readdir, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { type SourcePlace, TowlineError } from '../../core/errors.ts';
import { plainRelativePath } from '../context/repository-path.ts';
import { readRepositoryFile, whyUnreadable } from '../stack/repository-file.ts';
import type { Template, TemplateCatalog } from './template.ts';

const languageName = /^[a-z0-9][a-z0-9._-]{0,62}$/i;

const InsidePath = z
  .string()
  .refine((path) => plainRelativePath(path) !== undefined, 'must be a path inside the template, without ".."')
  .transform((path) => plainRelativePath(path) ?? '.');

const Condition = z.union([
  InsidePath.transform((file) => ({ file })),
  z.strictObject({
    file: InsidePath,
    fields: z.array(z.string().min(1)).min(1).optional(),
    text: z.string().min(1).optional(),
    lines: z.boolean().optional(),
  }),
]);

const Conditions = z.union([Condition.transform((condition) => [condition]), z.array(Condition)]).default([]);

const Step = z.strictObject({
  name: z.string().min(1),
  run: z.array(z.string().min(1)).min(1),
  cwd: InsidePath.default('.'),
  if: Conditions,
  unless: Conditions,
});

const Towline = z.strictObject({
  mode: z.enum(['http', 'streaming', 'serializing']).default('streaming'),
  environment: z.record(z.string(), z.coerce.string()).default({}),
  entry: z.array(InsidePath).min(1).optional(),
  build: z.array(Step).default([]),
});

/** The fields of faas-cli that are used here; its others are left alone. */
const TemplateFile = z.object({
  fprocess: z.string().trim().min(1),
  handler_folder: InsidePath.default('function'),
  build_options: z
    .array(
      z.object({ name: z.string().min(1), packages: z.array(z.string().regex(/^[^\s-]\S*$/)).default([]) }),
    )
    .nullish(),
  'x-towline': Towline.prefault({}),
});

/** Reads every `<dir>/<language>/template.yml`, the official layout. Throws `config_invalid` naming the file that is wrong. */
export async function loadTemplates(dir: string): Promise<TemplateCatalog> {
  const templates = new Map<string, Template>();
  const root = await realpath(dir).catch(() => resolve(dir));
  for (const language of await folders(dir)) {
    templates.set(language, await loadTemplate(join(root, language), language));
  }
  return {
    find: (language) => templates.get(language),
    languages: () => [...templates.keys()],
    isOpen: false,
    async resolve(language, { place }) {
      const template = templates.get(language);
      if (template || isDockerfile(language)) return template ?? null;
      throw languageUnknown(language, [...templates.keys()], place);
    },
  };
}

/** faas-cli takes it in any case. */
export function isDockerfile(language: string): boolean {
  return language.toLowerCase() === 'dockerfile';
}

export function languageUnknown(language: string, known: string[], place: SourcePlace): TowlineError {
  return new TowlineError('language_unknown', `the language ${JSON.stringify(language)} is not known`, {
    place,
    hint: `known here: ${[...known, 'dockerfile'].join(', ')}; others come from configuration.templates`,
  });
}

async function folders(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch((cause) => {
    throw new TowlineError('config_invalid', `the folder of templates "${dir}" cannot be read`, { cause });
  });
  return entries
    .filter((entry) => entry.isDirectory() && languageName.test(entry.name))
    .map((entry) => entry.name)
    .sort();
}

/** Whether it can be the name of a language, and so of a folder. */
export function isLanguageName(text: string): boolean {
  return languageName.test(text);
}

/** Reads one template's folder, a real path. Throws with `code`, naming the file that is wrong. */
export async function loadTemplate(
  dir: string,
  language: string,
  code: 'config_invalid' | 'stack_invalid' = 'config_invalid',
): Promise<Template> {
  // Where a repository of templates is kept means nothing to those who name it.
  const file = code === 'config_invalid' ? join(dir, 'template.yml') : `template/${language}/template.yml`;
  const read = TemplateFile.safeParse(await readYaml(dir, file, code));
  if (!read.success) {
    const problems = read.error.issues.map(
      ({ path, message }) => `${path.join('.') || 'the file'}: ${message}`,
    );
    throw new TowlineError(code, `the template ${file} is wrong: ${problems.join('; ')}`);
  }
  const towline = read.data['x-towline'];
  return {
    language,
    dir,
    handlerFolder: read.data.handler_folder,
    command: read.data.fprocess.split(/\s+/),
    mode: towline.mode,
    environment: towline.environment,
    entryFiles: towline.entry,
    buildSteps: towline.build.map(({ run, ...step }) => ({ ...step, command: run })),
    buildOptions: read.data.build_options ?? [],
  };
}

async function readYaml(
  dir: string,
  file: string,
  code: 'config_invalid' | 'stack_invalid',
): Promise<unknown> {
  const read = await readRepositoryFile(dir, 'template.yml');
  if (read.text === undefined) {
    throw new TowlineError(code, `the template ${file} cannot be read: it ${whyUnreadable(read)}`);
  }
  try {
    return parse(read.text, { logLevel: 'error' });
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : '';
    throw new TowlineError(code, `the template ${file} cannot be read: ${why}`, { cause });
  }
}
