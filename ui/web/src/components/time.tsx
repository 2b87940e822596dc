import { signal } from '@preact/signals';
import { absoluteTime, relativeTime } from '../format/relative-time.ts';

const tickMs = 15_000;

/** One clock for the page, so that all ages change together. */
export const now = signal(Date.now());
setInterval(() => {
  now.value = Date.now();
}, tickMs);

export function Age({ time }: { time: number }) {
  return (
    <time dateTime={new Date(time).toISOString()} title={absoluteTime(time)}>
      {relativeTime(time, Math.max(now.value, Date.now()))}
    </time>
  );
}
