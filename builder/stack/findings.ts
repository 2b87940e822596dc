import { formatPlace, type SourcePlace, TowlineError } from '../../core/errors.ts';

interface Problem {
  place: SourcePlace;
  message: string;
  hint?: string | undefined;
}

const maxListed = 20;
const maxWarnings = 200;

/** What a stack file's reader has to say: everything wrong is told at once, not one mistake per push. */
export interface Findings {
  problem(place: SourcePlace, message: string, hint?: string): void;
  warn(place: SourcePlace, message: string): void;
  /** Throws `stack_invalid` if there was a problem: the first one is the error, the others are listed in it. */
  throwIfAny(): void;
  warnings(): string[];
}

export function createFindings(): Findings {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  return {
    problem: (place, message, hint) => problems.push({ place, message, hint }),
    warn: (place, message) => warnings.push({ place, message }),
    throwIfAny() {
      const [first, ...others] = problems.sort(byPlace);
      if (!first) return;
      const listed = others
        .slice(0, maxListed)
        .map((other) => `; also ${formatPlace(other.place)}: ${other.message}`);
      const rest = others.length > maxListed ? `; and ${others.length - maxListed} more` : '';
      throw new TowlineError('stack_invalid', first.message + listed.join('') + rest, {
        place: first.place,
        hint: first.hint,
      });
    },
    warnings() {
      const lines = warnings.sort(byPlace).map(({ place, message }) => `${formatPlace(place)}: ${message}`);
      if (lines.length <= maxWarnings) return lines;
      return [...lines.slice(0, maxWarnings), `… and ${lines.length - maxWarnings} more warnings`];
    },
  };
}

/** Within one file by line; files keep the order in which they were read. */
function byPlace(a: Problem, b: Problem): number {
  if (a.place.file !== b.place.file) return 0;
  return (a.place.line ?? 0) - (b.place.line ?? 0) || (a.place.column ?? 0) - (b.place.column ?? 0);
}

/** Text from a repository as part of a message: cut, quoted, without control characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
