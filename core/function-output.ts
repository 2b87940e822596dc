import type { LogLine } from './deploy.ts';

/** What running functions print, whichever of their versions. */
export interface FunctionOutput {
  /**
   * The newest lines that are kept, at most `last` of them; with `follow` then those that come, until the signal aborts
   * or the function is removed. `n` counts from the first line given. A function that never ran has none.
   */
  lines(
    of: { owner: string; functionName: string },
    options: { last: number; follow: boolean },
    signal: AbortSignal,
  ): AsyncIterable<LogLine>;
}
