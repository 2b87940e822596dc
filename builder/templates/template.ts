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
  /** Steps of a build by plain processes, in order; each runs only if `ifExists` (in the context) is there. */
  buildSteps: { name: string; command: string[]; cwd: string; ifExists: string | null }[];
}

/** The templates an installation offers. */
export interface TemplateCatalog {
  find(language: string): Template | undefined;
  languages(): string[];
}
