import type { SourcePlace } from '../../core/errors.ts';
import type { TemplateReference } from '../stack/stack.ts';

/** Something about a file of the build context that can be seen without running anything. */
export interface ContextCondition {
  /** Relative to the context; it must exist. */
  file: string;
  /** Of a JSON file: any of these fields (dots for nesting) holds something. */
  fields?: string[] | undefined;
  /** The field's text, or else the file's, contains this. */
  text?: string | undefined;
  /** Some line is neither blank nor a `#` comment. */
  lines?: boolean | undefined;
}

/** One command of a build by plain processes. */
export interface BuildStep {
  name: string;
  command: string[];
  /** Relative to the context. */
  cwd: string;
  /** It runs only if all of these hold … */
  if: ContextCondition[];
  /** … and none of these. */
  unless: ContextCondition[];
}

/** A language template, read from `template.yml` as faas-cli has it, with our `x-towline` block for the process engine. */
export interface Template {
  /** As in stack.yml's `lang`. */
  language: string;
  /** The template's own folder; copied into each build context. */
  dir: string;
  /** Where in the context the handler's files go. faas-cli's default is `function`. */
  handlerFolder: string;
  /** faas-cli's `fprocess`, split on spaces. */
  command: string[];
  mode: 'http' | 'streaming' | 'serializing';
  environment: Record<string, string>;
  /** The context must hold one of these files, or the function has no entry point. */
  entryFiles?: string[] | undefined;
  /** Steps of a build by plain processes, in order. */
  buildSteps: BuildStep[];
  /** What stack.yml's `build_options` may name: each stands for packages of the image's operating system. */
  buildOptions?: { name: string; packages: string[] }[] | undefined;
  /** Not given: the installation's own. */
  origin?: TemplateOrigin | undefined;
}

/** Where a template came from. */
export type TemplateOrigin =
  | { kind: 'bundled' }
  /** The `template` folder of the repository that is built. */
  | { kind: 'repository' }
  /** A repository of templates, at exactly this commit. */
  | { kind: 'git'; source: string; commit: string };

/** What a function's template is looked for with. */
export interface TemplateRequest {
  /** `configuration.templates` of the push's stack file. */
  references: readonly TemplateReference[];
  /** The clone's root, which may hold templates of its own. */
  sourceDir: string;
  /** Where the stack file names the language. */
  place: SourcePlace;
  /** Told what is taken other than as written. */
  warn: (text: string) => void;
  signal: AbortSignal;
}

/** The templates an installation offers. */
export interface TemplateCatalog {
  /** One of those that need no network. */
  find(language: string): Template | undefined;
  /** Those that need no network. */
  languages(): string[];
  /** Whether other places, as repositories of templates, may know a language that `languages` lacks. */
  readonly isOpen: boolean;
  /**
   * The template for a stack file's `lang`; `null` for `dockerfile`, which has none. Throws `language_unknown`,
   * `policy_refused` for a source that the installation does not allow, `source_unavailable` for one without that
   * ref or commit, `context_too_large`, and `remote_unavailable` for one that is away: the caller waits and tries again.
   */
  resolve(language: string, request: TemplateRequest): Promise<Template | null>;
}
