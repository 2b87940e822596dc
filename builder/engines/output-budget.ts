import { TowlineError } from '../../core/errors.ts';

const maxMegabytes = 64;
const maxLines = 500_000;

/** What one build may print: reading output costs the platform's time, even when its log is full. */
export interface OutputBudget {
  bytes(count: number): void;
  /** Whether one more line may be handed on. */
  line(): boolean;
}

/** `stop` gets the error to end the build with. */
export function createOutputBudget(stop: (error: TowlineError) => void): OutputBudget {
  let bytes = maxMegabytes * 1_000_000;
  let lines = maxLines;
  const stopAt = (limit: string) =>
    stop(
      new TowlineError('build_failed', `the build printed more than ${limit}`, {
        hint: 'print less in the build',
      }),
    );
  return {
    bytes(count) {
      bytes -= count;
      if (bytes < 0) stopAt(`${maxMegabytes} MB`);
    },
    line() {
      lines -= 1;
      if (lines < 0) stopAt(`${maxLines} lines`);
      return lines >= 0;
    },
  };
}
