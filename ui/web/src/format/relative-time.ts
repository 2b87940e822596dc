const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Largest unit first; a value below `upTo` is written in the unit. */
const units: ReadonlyArray<{ upTo: number; size: number; unit: Intl.RelativeTimeFormatUnit }> = [
  { upTo: hour, size: minute, unit: 'minute' },
  { upTo: day, size: hour, unit: 'hour' },
  { upTo: 14 * day, size: day, unit: 'day' },
  { upTo: 60 * day, size: 7 * day, unit: 'week' },
  { upTo: 365 * day, size: 30 * day, unit: 'month' },
  { upTo: Number.POSITIVE_INFINITY, size: 365 * day, unit: 'year' },
];

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'short' });
const absolute = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'long' });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** "just now", "3 min ago", "13 days ago". A clock that runs ahead of ours is "just now", never "in 2 s". */
export function relativeTime(time: number, now: number): string {
  const age = now - time;
  if (age < 45 * second) return 'just now';
  const rounded = Math.max(age, minute);
  for (const { upTo, size, unit } of units) {
    if (rounded < upTo) return relative.format(-Math.floor(rounded / size), unit).replace('.', '');
  }
  return absolute.format(time);
}

/** With the date, the time to the second and the zone: for tooltips. */
export function absoluteTime(time: number): string {
  return absolute.format(time);
}

/** `12:03:10` in the reader's zone. */
export function clockTime(time: number): string {
  return clock.format(time);
}

/** `12 ms`, `0.4 s`, `12.3 s`, `2 min 05 s`. */
export function duration(milliseconds: number): string {
  const ms = Math.max(0, milliseconds);
  if (ms < 100) return `${Math.round(ms)} ms`;
  if (ms < minute - 50) return `${(ms / second).toFixed(1)} s`;
  const seconds = Math.round(ms / second);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}
