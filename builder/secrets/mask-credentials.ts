import { hideSpans, mask } from './hide-spans.ts';
import type { Span } from './text-search.ts';
import { findTokens } from './token-search.ts';

/** Everything before the last `@` of a URL's authority. */
function findUserInfo(text: string): Span[] {
  const found: Span[] = [];
  const stop = /[\s/?#"'<>]/g;
  let end = 0;
  for (let at = text.indexOf('://'); at !== -1; at = text.indexOf('://', end)) {
    const start = at + 3;
    stop.lastIndex = start;
    end = stop.exec(text)?.index ?? text.length;
    const length = text.slice(start, end).lastIndexOf('@');
    if (length > 0 && /[a-z0-9+.-]/i.test(text[at - 1] ?? '')) found.push({ start, end: start + length });
  }
  return found;
}

/** What it tries at one place is bounded, and what it takes it never gives back. */
const authorization =
  /\b(authorization["']?\s{0,5}[:=]\s{0,5}["']?(?:basic|bearer|token|digest)\s{1,5})[^\s"']+/gi;

/** The text without the passwords of URLs, authorization headers and tokens of well-known forms. Its cost is linear. */
export function maskCredentials(text: string): string {
  const withoutPasswords = hideSpans(text, findUserInfo(text));
  const withoutHeaders = withoutPasswords.replace(authorization, `$1${mask}`);
  return hideSpans(withoutHeaders, findTokens(withoutHeaders));
}
