import { TowlineError } from '../../core/errors.ts';
import type { StackFunction } from '../stack/stack.ts';
import type { Template } from './template.ts';

const additionalPackages = 'ADDITIONAL_PACKAGE';

/**
 * The build arguments of a function: those of the stack file, and in `ADDITIONAL_PACKAGE` the packages that its
 * `build_options` stand for in the template. Throws `stack_invalid` for an option that the template has not.
 */
export function buildArgsOf(fn: StackFunction, template: Template | null): Record<string, string> {
  if (fn.buildOptions.length === 0) return fn.buildArgs;
  const options = template?.buildOptions ?? [];
  const packages = new Set<string>();
  for (const name of fn.buildOptions) {
    const option = options.find((candidate) => candidate.name === name);
    if (!option) throw unknownOption(fn, name, options);
    for (const each of option.packages) packages.add(each);
  }
  for (const each of fn.buildArgs[additionalPackages]?.split(/\s+/) ?? [])
    if (each !== '') packages.add(each);
  return { ...fn.buildArgs, [additionalPackages]: [...packages].join(' ') };
}

function unknownOption(
  fn: StackFunction,
  name: string,
  options: NonNullable<Template['buildOptions']>,
): TowlineError {
  const known = options.map((option) => option.name).join(', ');
  return new TowlineError(
    'stack_invalid',
    `the language "${fn.lang}" has no build option ${JSON.stringify(name.slice(0, 80))}`,
    {
      place: fn.buildOptionsPlace ?? fn.place,
      hint: known === '' ? 'it has none: remove build_options' : `it has: ${known}`,
    },
  );
}

/** The template with the function's own process, for engines that have no watchdog to read it from the environment. */
export function withProcess(template: Template, fn: StackFunction): Template {
  const words = (fn.environment['fprocess'] ?? '').split(/\s+/).filter((word) => word !== '');
  return words.length === 0 ? template : { ...template, command: words };
}

/** For the build's log: the language, and where its template came from if that is not the installation itself. */
export function describeTemplate(language: string, template: Template | null): string {
  const origin = template?.origin;
  if (origin?.kind === 'git') return `${language} of ${origin.source} at ${origin.commit.slice(0, 12)}`;
  return origin?.kind === 'repository' ? `${language} of the repository's own template folder` : language;
}

/** For the image: which template it was built with, to the commit. */
export function templateLabels(template: Template | null): Record<string, string> {
  if (template?.origin?.kind !== 'git') return {};
  const { source, commit } = template.origin;
  return { 'dev.towline.template-source': source, 'dev.towline.template-commit': commit };
}
