import type { FunctionSummary } from '../../core/api.ts';
import { describeHold } from '../../core/hold.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';

/** Columns padded to their widest cell, two spaces apart. */
export function table(rows: string[][]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  }
  const line = (row: string[]) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
}

const short = (sha: string | null) => sha?.slice(0, 7) ?? '-';
export const time = (ms: number | null) =>
  ms === null ? '-' : new Date(ms).toISOString().slice(0, 19).replace('T', ' ');

/** A hold hides nothing: what is wrong with the version that serves is said beside it. */
function shownStatus({ status, serving }: FunctionSummary): string {
  return status === 'Held' && serving !== 'Ready' ? `${status} (${serving})` : status;
}

/** What a function's one line has no room for. */
export function functionNotes({ hold, waiting, reason }: FunctionSummary): string {
  const waits = waiting && `waits: ${short(waiting.sourceCommit)} ${waiting.sourceSubject}`;
  const notes = [hold && describeHold(hold), waits, reason].filter((note) => note !== null);
  return notes.map((note) => `${note}\n`).join('');
}

export function functionTable(rows: FunctionSummary[]): string {
  const head = ['FUNCTION', 'STATUS', 'DEPLOY', 'COMMIT', 'DEPLOYED (UTC)', 'URL'];
  return table([
    head,
    ...rows.map((row) => [
      row.functionName,
      shownStatus(row),
      row.number === null ? '-' : `#${row.number}`,
      short(row.sourceCommit),
      time(row.deployedAt),
      row.url,
    ]),
  ]);
}

function what(entry: HistoryEntry): string {
  const marks = [
    entry.current ? 'current' : '',
    entry.restores === null ? '' : `back to #${entry.restores}`,
    entry.revertedBy === null ? '' : `undone by #${entry.revertedBy}`,
    entry.direct ? 'directly in git' : '',
    entry.reason ? `reason: ${entry.reason}` : '',
  ].filter((mark) => mark !== '');
  return marks.join(', ');
}

export function historyTable(entries: HistoryEntry[]): string {
  return table([
    ['DEPLOY', 'KIND', 'GITOPS', 'SOURCE', 'WHEN (UTC)', 'BY', 'NOTES'],
    ...entries.map((entry) => [
      `#${entry.number}`,
      entry.kind,
      short(entry.commit),
      short(entry.sourceCommit),
      time(entry.committedAt),
      entry.author.name,
      what(entry),
    ]),
  ]);
}
