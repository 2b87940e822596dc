import parseDiff from 'parse-diff';

export interface DiffRow {
  kind: 'added' | 'removed' | 'same' | 'gap';
  oldLine: number | null;
  newLine: number | null;
  text: string;
}

export interface FileDiff {
  rows: DiffRow[];
  additions: number;
  deletions: number;
}

function toRow(change: parseDiff.Change): DiffRow | undefined {
  // "\ No newline at end of file" is git's remark, not a line of the file.
  if (change.content.startsWith('\\')) return undefined;
  const text = change.content.slice(1);
  if (change.type === 'add') return { kind: 'added', oldLine: null, newLine: change.ln, text };
  if (change.type === 'del') return { kind: 'removed', oldLine: change.ln, newLine: null, text };
  return { kind: 'same', oldLine: change.ln1, newLine: change.ln2, text };
}

function gapBefore(chunk: parseDiff.Chunk, previousEnd: number): DiffRow[] {
  const skipped = chunk.oldStart - previousEnd;
  if (skipped <= 0) return [];
  const text = skipped === 1 ? '1 unchanged line' : `${skipped} unchanged lines`;
  return [{ kind: 'gap', oldLine: null, newLine: null, text }];
}

/** The rows of a unified diff of one file, as git prints it; what was left out between them is a gap. */
export function parseUnified(unified: string): FileDiff {
  const file = parseDiff(unified)[0];
  if (!file) return { rows: [], additions: 0, deletions: 0 };
  const rows: DiffRow[] = [];
  let previousEnd = 1;
  for (const chunk of file.chunks) {
    rows.push(...gapBefore(chunk, previousEnd));
    for (const change of chunk.changes) {
      const row = toRow(change);
      if (row) rows.push(row);
    }
    previousEnd = chunk.oldStart + chunk.oldLines;
  }
  return { rows, additions: file.additions, deletions: file.deletions };
}
