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
}

/** The templates an installation offers. */
export interface TemplateCatalog {
  find(language: string): Template | undefined;
  languages(): string[];
}
