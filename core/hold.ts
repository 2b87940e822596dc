/** Why deploys of a function wait, as the annotation `towline.dev/hold` of its manifest says it. */
export interface Hold {
  /** `null` if a person wrote the annotation by hand and didn't say. */
  by: string | null;
  /** Milliseconds since the epoch; `null` if it doesn't say. */
  since: number | null;
  /** One line; may be empty. */
  reason: string;
}

const written = /^(.+?) since (\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z)(?:: (.*))?$/;

/** The annotation's text. The writer makes it one line of a bounded length. */
export function formatHold(by: string, since: number, reason: string): string {
  return `${by} since ${new Date(since).toISOString().slice(0, 19)}Z${reason === '' ? '' : `: ${reason}`}`;
}

/** The opposite. A person may have written anything; nothing, and `false`, hold nothing. */
export function readHold(text: string | undefined): Hold | null {
  const line = (text ?? '').replace(/[\p{Cc}\s]+/gu, ' ').trim();
  if (line === '' || line === 'false') return null;
  const [, by, time = '', reason = ''] = written.exec(line) ?? [];
  const since = Date.parse(time);
  if (by === undefined || Number.isNaN(since)) return { by: null, since: null, reason: line };
  return { by, since, reason };
}

/** "held by alice since 2026-11-22T09:00:00Z: a demo is on". */
export function describeHold({ by, since, reason }: Hold): string {
  if (by === null || since === null) return `held: ${reason}`;
  return `held by ${formatHold(by, since, reason)}`;
}
