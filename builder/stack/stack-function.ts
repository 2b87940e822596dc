import type { DeployCause } from '../../core/deploy.ts';
import { emptyConfiguration } from '../../core/function-spec.ts';
import { whyNotFunction } from '../../core/names.ts';
import { plainRelativePath, resolveInside } from '../context/repository-path.ts';
import { readEnvironmentFiles } from './environment-files.ts';
import { quoted } from './findings.ts';
import { type Draft, functionFields } from './function-fields.ts';
import { nearestName, unknownKey } from './nearest-name.ts';
import type { StackFunction, StackOptions, TemplateReference } from './stack.ts';
import type { YamlSource } from './yaml-source.ts';
import { type Entry, readEntries } from './yaml-values.ts';

export interface FunctionContext extends StackOptions {
  /** The repository's root, a real path. */
  root: string;
  source: YamlSource;
  references: readonly TemplateReference[];
}

const shape = 'write "lang:" and "handler:" below the name, indented';

/** Reads one entry of `functions`. Mistakes of form are findings; a function that cannot be built comes back as a cause. */
export async function readFunction(
  context: FunctionContext,
  entry: Entry,
): Promise<{ fn: StackFunction } | { cause: DeployCause }> {
  const { source } = context;
  const draft = emptyDraft(entry);
  const entries = readEntries(source, entry.value, `functions.${entry.key.slice(0, 80)}`, shape) ?? [];
  for (const field of entries) {
    const reader = functionFields.get(field.key);
    if (reader) Object.assign(draft, reader(source, field));
    else source.findings.warn(field.place, unknownKey('the field', field.key, functionFields.keys()));
  }
  // faas-cli takes it in any case.
  if (draft.lang.toLowerCase() === 'dockerfile') draft.lang = 'dockerfile';
  warnOfUnused(context, draft, entries);
  const cause =
    nameCause(context, entry) ?? (draft.skipBuild ? imageCause(draft) : await buildCause(context, draft));
  if (cause) return { cause };
  const { environmentFiles, ...fn } = draft;
  const files = await readEnvironmentFiles(context.root, environmentFiles, source.findings);
  if ('cause' in files) return files;
  const handler = fn.handler === '' ? '' : (plainRelativePath(fn.handler) ?? fn.handler);
  // The watchdog reads its process from the environment, and so do engines without one.
  const process = fn.fprocess === undefined ? {} : { fprocess: fn.fprocess };
  return { fn: { ...fn, handler, environment: { ...process, ...fn.environment, ...files.environment } } };
}

function emptyDraft(entry: Entry): Draft {
  return {
    name: entry.key,
    lang: '',
    handler: '',
    ...emptyConfiguration(),
    buildArgs: {},
    buildOptions: [],
    buildSecrets: {},
    platforms: [],
    skipBuild: false,
    place: entry.place,
    environmentFiles: [],
  };
}

const buildFields = ['build_args', 'build_options', 'build_secrets', 'platforms'];

/** What is written and will have no effect. */
function warnOfUnused(context: FunctionContext, draft: Draft, entries: Entry[]): void {
  const { findings } = context.source;
  const { namespace, skipBuild, image, place } = draft;
  const at = (key: string) => entries.find((entry) => entry.key === key)?.place ?? place;
  if (image !== undefined && !skipBuild) {
    findings.warn(
      at('image'),
      'image is ignored: the platform names what it builds (to deploy this image, add "skip_build: true")',
    );
  }
  if (namespace !== undefined && namespace !== context.namespace) {
    findings.warn(
      at('namespace'),
      `the namespace ${quoted(namespace)} is ignored: the installation decides where functions run`,
    );
  }
  if (!skipBuild) return;
  for (const key of buildFields) {
    if (entries.some((entry) => entry.key === key)) {
      findings.warn(at(key), `${key} is ignored: nothing is built with skip_build`);
    }
  }
}

function nameCause(context: FunctionContext, entry: Entry): DeployCause | undefined {
  const why = whyNotFunction(context.owner, entry.key);
  if (why === undefined) return undefined;
  const message = `${quoted(entry.key)} cannot be a function's name: ${why}`;
  return { code: 'name_invalid', message, place: entry.place, hint: 'rename it in the stack file' };
}

function imageCause(draft: Draft): DeployCause | undefined {
  if (draft.image !== undefined) return undefined;
  const message = `the function ${quoted(draft.name)} is not built and says no image`;
  const hint = 'add "image:" with a registry, a name and a tag or a digest, or remove skip_build';
  return { code: 'stack_invalid', message, place: draft.place, hint };
}

async function buildCause(context: FunctionContext, draft: Draft): Promise<DeployCause | undefined> {
  const { lang } = draft;
  const isKnown = lang === 'dockerfile' || context.languages.includes(lang);
  const isFine = isKnown || (await mayBeKnown(context, lang));
  return (isFine ? undefined : languageCause(context, draft)) ?? handlerCause(draft);
}

/** Whether the build may find a template for it: where, is for the catalog of templates to decide. */
async function mayBeKnown(context: FunctionContext, lang: string): Promise<boolean> {
  if (!/^[a-z0-9][a-z0-9._-]{0,62}$/i.test(lang)) return false;
  // A repository of templates may hold more than the one it is listed for.
  if (context.acceptsOthers || context.references.some(({ source }) => source !== undefined)) return true;
  return (await resolveInside(context.root, `template/${lang}/template.yml`)).found;
}

function languageCause(context: FunctionContext, draft: Draft): DeployCause {
  const { lang, langPlace, place, name } = draft;
  const { languages } = context;
  const known = `known here: ${[...languages, 'dockerfile'].join(', ')}`;
  const code = 'language_unknown';
  if (lang === '') {
    const message = `the function ${quoted(name)} says no lang`;
    return { code, message, place: langPlace ?? place, hint: `add "lang:"; ${known}` };
  }
  const nearest = nearestName(lang, languages);
  const hint = nearest === undefined ? known : `did you mean ${quoted(nearest)}? ${known}`;
  return { code, message: `the language ${quoted(lang)} is not known`, place: langPlace ?? place, hint };
}

function handlerCause(draft: Draft): DeployCause | undefined {
  const { handler, handlerPlace, place, name } = draft;
  if (handler === '') {
    const message = `the function ${quoted(name)} says no handler`;
    const hint = 'add "handler:" with the folder that holds its code';
    return { code: 'handler_missing', message, place: handlerPlace ?? place, hint };
  }
  const path = plainRelativePath(handler);
  if (path === undefined || path.split('/').some((segment) => segment.toLowerCase() === '.git')) {
    const message = `the handler ${quoted(handler)} leads out of the repository`;
    const hint = 'name a folder of this repository, relative to its root, without ".."';
    return { code: 'path_escapes', message, place: handlerPlace, hint };
  }
  return undefined;
}
