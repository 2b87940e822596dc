import { type TrailerKey, trailerKeys } from '../../core/manifest-writer.ts';
import { oneLine } from './plain-text.ts';

const maxSubject = 120;
const maxTrailer = 500;

export type Trailers = Partial<Record<TrailerKey, string | readonly string[] | null>>;

/**
 * One subject line, a blank line, and trailers alone in the last paragraph: nothing a person wrote can start
 * a line, so nothing can be taken for a trailer. Empty values are left out.
 */
export function commitMessage(subject: string, trailers: Trailers): string {
  const lines = trailerKeys.flatMap((key) => {
    const given = trailers[key] ?? [];
    const values = typeof given === 'string' ? [given] : given;
    return values
      .map(trailerText)
      .filter((value) => value !== '')
      .map((value) => `${key}: ${value}`);
  });
  return `${oneLine(subject, maxSubject)}\n\n${lines.join('\n')}\n`;
}

/** A value as a trailer has it. */
export function trailerText(value: string): string {
  return oneLine(value, maxTrailer);
}
