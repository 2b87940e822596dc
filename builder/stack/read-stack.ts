import { TowlineError } from '../../core/errors.ts';
import type { Stack } from './stack.ts';

/** Reads and checks a repository's stack file. Throws `stack_missing`, `stack_invalid` or `path_escapes` with the place. */
export async function readStack(
  sourceDir: string,
  options: { owner: string; languages: string[] },
): Promise<Stack> {
  throw new TowlineError('internal', `not built yet: ${sourceDir} ${options.owner}`);
}
