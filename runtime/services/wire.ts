import { z } from 'zod';
import { fields, maybeText, text } from '../../core/calls/call.ts';
import { SourcePlaceFields } from '../../core/calls/records.ts';
import { type ErrorCode, errorCodes, TowlineError } from '../../core/errors.ts';

/** What two programs say to each other; runtime/services/README.md describes it for readers. */

/** `POST /calls/<contract>/<method>` */
export const callPath = /^\/calls\/([a-z-]{1,64})\/([A-Za-z]{1,64})$/;
export const answerType = 'application/x-ndjson';
/** Of a request's body. A spec's environment, or a repository's sealed secrets, may be large. */
export const maxInputBytes = 8 * 1024 * 1024;
/** Of one line of an answer: the whole history of an owner is one. */
export const maxLineBytes = 64 * 1024 * 1024;
export const defaultHeartbeatMs = 5_000;

/** One line of an answer. */
export type CallLine =
  /** A sign of life. */
  | { type: 'alive' }
  | { type: 'item'; value?: unknown }
  | { type: 'result'; value?: unknown }
  /** What the called method threw. */
  | { type: 'error'; error: WireError }
  /** The method was not called at all. */
  | { type: 'refused'; error: WireError };

export interface WireError {
  code: ErrorCode;
  message: string;
  hint?: string | undefined;
  place?: TowlineError['place'];
}

const WireErrorFields = fields<WireError>({
  // A newer version may know codes that we don't.
  code: z.enum(errorCodes).catch('internal'),
  message: text,
  hint: maybeText,
  place: SourcePlaceFields.optional(),
});

const Line: z.ZodType<CallLine> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('alive') }),
  z.object({ type: z.literal('item'), value: z.unknown().optional() }),
  z.object({ type: z.literal('result'), value: z.unknown().optional() }),
  z.object({ type: z.literal('error'), error: WireErrorFields }),
  z.object({ type: z.literal('refused'), error: WireErrorFields }),
]);

/** Throws if it is none. */
export function parseLine(json: string): CallLine {
  return Line.parse(JSON.parse(json));
}

/** Nothing of an error that is not ours. */
export function toWire(error: unknown): WireError {
  if (!(error instanceof TowlineError)) return { code: 'internal', message: 'an internal error' };
  const { code, message, hint, place } = error;
  return { code, message, hint, place };
}

export function fromWire({ code, message, hint, place }: WireError): TowlineError {
  return new TowlineError(code, message, { hint, place });
}

const suspicious = /__proto__|\\u005f/i;

/**
 * JSON without a `__proto__` key at any depth: whoever copies such an object would change its prototype.
 * Throws `bad_request`.
 */
export function parseInput(bytes: Buffer): unknown {
  let json: string;
  let value: unknown;
  try {
    json = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = JSON.parse(json);
  } catch (cause) {
    throw new TowlineError('bad_request', 'the body is not valid JSON', { cause });
  }
  if (suspicious.test(json)) JSON.parse(json, refuseProto);
  return value;
}

function refuseProto(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new TowlineError('bad_request', 'the body has a key "__proto__"');
  return value;
}
