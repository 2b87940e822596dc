import type { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';

/**
 * What a server takes: all of it, or nothing. Throws `bad_request`, which names places and rules alone, since a value may
 * be a secret.
 */
export function checkedInput(schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (!result.success) {
    throw new TowlineError('bad_request', `the input: ${result.error.issues.map(inWords).join('; ')}`);
  }
  const dropped = droppedOf(value, result.data);
  if (dropped === undefined) return result.data;
  throw new TowlineError('bad_request', `the input: ${dropped}: not known here`);
}

function inWords(issue: z.core.$ZodIssue): string {
  return `${issue.path.map(String).join('.').slice(0, 200) || 'it'}: ${issue.code}`;
}

/** The first thing that was given and is not in what was understood. */
function droppedOf(given: unknown, understood: unknown): string | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  const known = (understood ?? {}) as Record<string, unknown>;
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(known, key)) return key.slice(0, 100);
    const dropped = droppedOf(value, known[key]);
    if (dropped !== undefined) return `${key}.${dropped}`;
  }
  return undefined;
}
