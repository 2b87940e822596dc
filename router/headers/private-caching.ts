import { fieldValue, type RawFields } from './raw-fields.ts';

/** Told to caches that others share, some of them over `Cache-Control`'s head. */
const forSharedCaches =
  /^(?:surrogate-control|(?:[a-z0-9]+-)?cdn-cache-control|x-accel-expires|edge-control)$/;

/** Directives that mean the same, or less, where only one person's browser keeps the answer. */
const harmless = /^(?:no-store|no-cache|no-transform|must-revalidate|immutable|max-age=\d{1,10})$/;

/** What decides who gets the answer. */
const senders = ['Cookie', 'Authorization'] as const;

/**
 * The fields of an answer that is not for everybody: a cache in between must not give it to the next one, nor a browser
 * show it to who is logged in after. The function cannot say so itself: who sends a request is kept from it.
 */
export function withPrivateCaching(fields: RawFields): string[] {
  const out: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const field = fields[i] ?? '';
    const name = field.toLowerCase();
    if (name === 'cache-control' || name === 'vary' || forSharedCaches.test(name)) continue;
    out.push(field, fields[i + 1] ?? '');
  }
  out.push('Cache-Control', privately(fieldValue(fields, 'cache-control')));
  out.push('Vary', varied(fieldValue(fields, 'vary')));
  return out;
}

function privately(given: string | undefined): string {
  if (given === undefined) return 'private, no-store';
  const kept = listed(given).filter((directive) => harmless.test(directive));
  return [...new Set(['private', ...kept])].join(', ');
}

function varied(given: string | undefined): string {
  const names = (given ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.includes('*')) return '*';
  const known = new Set(names.map((name) => name.toLowerCase()));
  return [...names, ...senders.filter((name) => !known.has(name.toLowerCase()))].join(', ');
}

/** Of a `Cache-Control`, in lower case; a comma in a quoted value gives parts that nobody knows. */
function listed(value: string): string[] {
  return value.split(',').map((part) => part.trim().toLowerCase());
}
