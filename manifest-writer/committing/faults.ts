import { describeError, type ErrorCode, TowlineError } from '../../core/errors.ts';

/** Somebody is away, was faster, or has no room: the same intent may be written later. */
const passing: ReadonlySet<ErrorCode> = new Set(['remote_unavailable', 'write_conflict', 'unavailable']);

export interface Fault {
  code: ErrorCode;
  message: string;
}

/** What is to be waited out; `undefined` if waiting will not mend it. */
export function asDelay(error: unknown): Fault | undefined {
  if (!(error instanceof TowlineError) || !passing.has(error.code)) return undefined;
  return { code: error.code, message: error.message };
}

/** Any fault, fit to be shown. */
export function asFault(error: unknown): Fault {
  const code = error instanceof TowlineError ? error.code : 'internal';
  return { code, message: describeError(error) };
}

export function stoppingError(): TowlineError {
  return new TowlineError('unavailable', 'the manifest-writer is stopping');
}
