import type { SourcePlace } from '../../../../core/errors.ts';

/** `stack.yml:3:5`, `stack.yml:3` or `stack.yml`. */
export function formatPlace(place: SourcePlace): string {
  return [place.file, place.line, place.column].filter((part) => part !== undefined).join(':');
}
