import type { Span } from './text-search.ts';

/** A run of letters, digits, `_` and `-`: tokens consist of such, JSON Web Tokens of three with dots between them. */
interface Run extends Span {
  text: string;
}

const jwtPart = 8;
/** Most texts and most segments have none of these. */
const hint = /gh[pousr]_|github_pat_|npm_|A[KS]IA|gl[a-z]{2,6}-|xox[abeprs]-|pypi-|towline_pat_|eyJ/;
const beginning = /^(?:gh[pousr]_|github_pat_|npm_|A[KS]IA|gl|xox|pypi|towline_)/;

/** Without those that are too short for any token. */
function runsOf(text: string): Run[] {
  const runs: Run[] = [];
  const pattern = /[\w-]+/g;
  for (let found = pattern.exec(text); found; found = pattern.exec(text)) {
    const [run] = found;
    if (run.length >= jwtPart) runs.push({ text: run, start: found.index, end: found.index + run.length });
  }
  return runs;
}

/** Tokens that may have `-` themselves go on to the end of the run: how they begin, and how long they are at least. */
const long: readonly [segment: RegExp, length: number][] = [
  [/^gl[a-z]{2,6}$/, 21],
  [/^xox[abeprs]$/, 15],
  [/^pypi$/, 55],
  [/^towline_pat_/, 20],
];

/** How many characters from here on are a token; 0: none. `segment` has no `-`; `toEnd` is what is left of the run. */
function tokenLength(segment: string, toEnd: number): number {
  if (!beginning.test(segment)) return 0;
  const [alone] = /^(?:gh[pousr]_|npm_)[A-Za-z0-9]{20,}|^github_pat_\w{20,}/.exec(segment) ?? [];
  if (alone !== undefined) return alone.length;
  if (/^(?:AKIA|ASIA)[A-Z0-9]{16}$/.test(segment)) return segment.length;
  return long.some(([pattern, length]) => toEnd >= length && pattern.test(segment)) ? toEnd : 0;
}

/**
 * Tokens of well-known forms: GitHub's, GitLab's, npm's, AWS's, Slack's, PyPI's, Towline's, and JSON Web Tokens. Each
 * character is looked at a fixed number of times, whatever the text is.
 */
export function findTokens(text: string): Span[] {
  const runs = hint.test(text) ? runsOf(text) : [];
  const found: Span[] = [];

  function isNextPart(index: number): boolean {
    const [run, next] = [runs[index], runs[index + 1]];
    if (!run || !next) return false;
    return next.start === run.end + 1 && text[run.end] === '.';
  }

  /** Returns the number of runs that are read. */
  function readRun(run: Run, index: number): number {
    const isFirstOfThree = isNextPart(index) && isNextPart(index + 1);
    let at = run.start;
    let from = run.start;
    for (const segment of run.text.split('-')) {
      const toEnd = run.end - at;
      if (isFirstOfThree && segment.startsWith('eyJ') && toEnd >= jwtPart + 3) {
        found.push({ start: at, end: runs[index + 2]?.end ?? run.end });
        return 3;
      }
      const length = at < from ? 0 : tokenLength(segment, toEnd);
      if (length > 0) found.push({ start: at, end: at + length });
      from = Math.max(from, at + length);
      at += segment.length + 1;
    }
    return 1;
  }

  for (let index = 0; index < runs.length; ) {
    const run = runs[index];
    index += run ? readRun(run, index) : 1;
  }
  return found;
}
