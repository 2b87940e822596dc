/** What forges show beside a context. */
const maxTextLength = 140;

/** One line without what could hide or reorder it, cut at `max` characters. */
export function oneLine(text: string, max = maxTextLength): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  if (line.length <= max) return line;
  // Not within a surrogate pair.
  return `${line.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
