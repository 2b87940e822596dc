import type { DeployCause } from '../../core/deploy.ts';
import type { SourcePlace } from '../../core/errors.ts';
import type { Resources } from '../../core/function-spec.ts';

/** One function of a stack file, checked and typed. */
export interface StackFunction {
  name: string;
  lang: string;
  /** Relative to the repository's root, `/` as separator, never leaving it. */
  handler: string;
  environment: Record<string, string>;
  secrets: string[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  limits: Resources;
  requests: Resources;
  constraints: string[];
  readOnlyRootFilesystem: boolean;
  buildArgs: Record<string, string>;
  place: SourcePlace;
  /** Where `handler` is written. */
  handlerPlace?: SourcePlace | undefined;
}

export interface Stack {
  /** `stack.yml` or `stack.yaml`. */
  file: string;
  functions: StackFunction[];
  /** Functions that can't be built, each with its cause; the others go on. */
  refused: { name: string; cause: DeployCause }[];
  /** `configuration.copy`: paths copied into every handler. */
  copy: { path: string; place: SourcePlace }[];
  /** One line each, with the place: what was ignored or not allowed. */
  warnings: string[];
}
