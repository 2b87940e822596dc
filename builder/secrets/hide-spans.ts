import type { Span } from './text-search.ts';

/** What a masked text is replaced with. */
export const mask = '***';

/** The text without its spans, which are in order and don't overlap. */
export function hideSpans(text: string, hidden: readonly Span[]): string {
  if (hidden.length === 0) return text;
  let result = '';
  let at = 0;
  for (const { start, end } of hidden) {
    result += text.slice(at, start) + mask;
    at = end;
  }
  return result + text.slice(at);
}
