import { setTimeout as wait } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import type { BuildService } from '../../../core/build-service.ts';
import type { LogLine, PushRecord } from '../../../core/deploy.ts';

/** A log that is still being written counts as read when nothing came for this long (milliseconds). */
const quietMs = 250;

/** The lines there are now, without waiting for those to come. */
export async function* linesSoFar(
  builds: BuildService,
  push: PushRecord,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  if (push.state === 'done') return yield* builds.log(push.id, after, signal);
  const stop = new AbortController();
  const lines = builds.log(push.id, after, AbortSignal.any([signal, stop.signal]))[Symbol.asyncIterator]();
  try {
    for (;;) {
      const line = await withinQuietTime(lines.next());
      if (line === undefined || line.done) return;
      yield line.value;
    }
  } finally {
    stop.abort();
  }
}

async function withinQuietTime<T>(next: Promise<T>): Promise<T | undefined> {
  const timer = new AbortController();
  // Once we stop waiting, the reader's end is nobody's concern.
  next.catch(() => undefined);
  const quiet = wait(quietMs, undefined, { signal: timer.signal }).catch(() => undefined);
  try {
    return await Promise.race([next, quiet]);
  } finally {
    timer.abort();
  }
}

const marks: Record<LogLine['kind'], string> = {
  phase: '==> ',
  output: '',
  warning: 'warning: ',
  error: 'error: ',
};

/** One line for a text file or a terminal: nothing in it can move a cursor or colour what follows. */
export function asText(line: LogLine): string {
  const scope = line.functionName === null ? '' : `[${line.functionName}] `;
  const text = stripVTControlCharacters(line.text).replace(/[\p{Cc}\u2028\u2029]/gu, (character) =>
    character === '\t' ? character : '',
  );
  return `${scope}${marks[line.kind]}${text}\n`;
}
