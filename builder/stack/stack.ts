import type { DeployCause } from '../../core/deploy.ts';
import type { SourcePlace } from '../../core/errors.ts';
import type { FunctionConfiguration } from '../../core/function-spec.ts';

/** One function of a stack file, checked and typed. */
export interface StackFunction extends FunctionConfiguration {
  name: string;
  lang: string;
  /** Relative to the repository's root, `/` as separator, never leaving it. */
  handler: string;
  buildArgs: Record<string, string>;
  /** Names from the template's `build_options`. */
  buildOptions: string[];
  /** Build secrets by id: the name of one of the owner's secrets that the installation keeps, never a value. */
  buildSecrets: Record<string, string>;
  /** As `linux/amd64`. */
  platforms: string[];
  /** Overrides the template's process. */
  fprocess?: string | undefined;
  /** As written: what is deployed with `skip_build`; else the platform names its own images. */
  image?: string | undefined;
  imagePlace?: SourcePlace | undefined;
  skipBuild: boolean;
  namespace?: string | undefined;
  place: SourcePlace;
  /** Where `lang` is written. */
  langPlace?: SourcePlace | undefined;
  /** Where `build_options` is written. */
  buildOptionsPlace?: SourcePlace | undefined;
  /** Where `handler` is written. */
  handlerPlace?: SourcePlace | undefined;
  /** Where each label is written, by its key. */
  labelPlaces?: Record<string, SourcePlace> | undefined;
  /** Where each annotation is written, by its key. */
  annotationPlaces?: Record<string, SourcePlace> | undefined;
}

/** What a stack file is read against. */
export interface StackOptions {
  owner: string;
  /** Languages with a template that is known without the network. */
  languages: string[];
  /** Whether other languages may be found where only the build looks, as in repositories of templates. */
  acceptsOthers?: boolean | undefined;
  /** Where the installation puts the owner's functions, if a stack file may name it. */
  namespace?: string | undefined;
}

/** One entry of `configuration.templates`. */
export interface TemplateReference {
  name: string;
  /** A git URL, without the ref; not given: the installation's own of that name. */
  source?: string | undefined;
  /** What stood behind `#`: a branch, a tag or a commit. */
  ref?: string | undefined;
  place: SourcePlace;
}

export interface Stack {
  /** `stack.yml` or `stack.yaml`. */
  file: string;
  functions: StackFunction[];
  /** Functions that can't be built, each with its cause; the others go on. */
  refused: { name: string; cause: DeployCause }[];
  /** `configuration.copy`: paths copied into every handler. */
  copy: { path: string; place: SourcePlace }[];
  /** `configuration.templates`: where languages come from that the installation does not bundle. */
  templates: TemplateReference[];
  /** One line each, with the place: what was ignored or not allowed. */
  warnings: string[];
}
