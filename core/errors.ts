/**
 * The closed set of error codes that Towline shows to people and programs.
 * A code never changes its meaning; docs/errors.md lists them (a test keeps both in step).
 */
export const errorCodes = [
  'bad_request',
  'unauthenticated',
  'forbidden',
  'not_found',
  'conflict',
  'too_large',
  'unsupported_media_type',
  'bad_signature',
  'timeout',
  'unavailable',
  'internal',
  'config_invalid',
  'port_taken',
  'data_folder_unusable',
  'git_missing',
  'node_too_old',
  'stack_missing',
  'stack_invalid',
  'name_invalid',
  'name_taken',
  'tenant_missing',
  'tenant_closed',
  'language_unknown',
  'handler_missing',
  'path_escapes',
  'context_too_large',
  'source_unavailable',
  'build_failed',
  'build_timeout',
  'build_cancelled',
  'secret_missing',
  'engine_unavailable',
  'registry_unavailable',
  'image_not_found',
  'image_forbidden',
  'policy_refused',
  'manifest_refused',
  'write_conflict',
  'remote_unavailable',
  'unhealthy',
  'image_gone',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** A place in a file of the user's own repository; `line` and `column` start at 1. */
export interface SourcePlace {
  file: string;
  line?: number | undefined;
  column?: number | undefined;
}

export interface TowlineErrorOptions {
  /** Where in the user's source the mistake is. */
  place?: SourcePlace | undefined;
  /** One sentence that says what to do about it. */
  hint?: string | undefined;
  cause?: unknown;
}

/**
 * The one error type that crosses a room's border. `message` is fit to be shown to the person
 * concerned; details that are not belong in `cause`, which is logged and never sent.
 */
export class TowlineError extends Error {
  readonly code: ErrorCode;
  readonly place: SourcePlace | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: TowlineErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = 'TowlineError';
    this.code = code;
    this.place = options.place;
    this.hint = options.hint;
  }
}

/** `stack.yml:3:5`, `stack.yml:3` or `stack.yml`. */
export function formatPlace(place: SourcePlace): string {
  return [place.file, place.line, place.column].filter((part) => part !== undefined).join(':');
}

/** One line for people: place, what is wrong, what to do. Unknown errors do not leak their text. */
export function describeError(error: unknown): string {
  if (!(error instanceof TowlineError)) return 'an internal error; the log of the platform has the details';
  const place = error.place ? `${formatPlace(error.place)}: ` : '';
  const hint = error.hint ? ` (${error.hint})` : '';
  return `${place}${error.message}${hint}`;
}
