import type { ManifestDiff } from '../../../../core/manifest-writer.ts';
import { type DiffRow, parseUnified } from './unified-diff.ts';

const marks: Record<DiffRow['kind'], { sign: string; spoken: string }> = {
  added: { sign: '+', spoken: 'Added: ' },
  removed: { sign: '−', spoken: 'Removed: ' },
  same: { sign: '', spoken: '' },
  gap: { sign: '', spoken: '' },
};

function Row({ row }: { row: DiffRow }) {
  if (row.kind === 'gap') {
    return (
      <tr class="gap">
        <td colSpan={4}>{row.text}</td>
      </tr>
    );
  }
  const { sign, spoken } = marks[row.kind];
  return (
    <tr class={row.kind}>
      <td class="line-number">{row.oldLine}</td>
      <td class="line-number">{row.newLine}</td>
      <td class="sign" aria-hidden="true">
        {sign}
      </td>
      <td class="line-text">
        {spoken && <span class="sr-only">{spoken}</span>}
        {row.text}
      </td>
    </tr>
  );
}

/** In words first, then line by line. */
export function DiffView({ diff, label }: { diff: ManifestDiff; label: string }) {
  const file = parseUnified(diff.unified);
  return (
    <div class="diff">
      {diff.summary.length > 0 && (
        <ul class="diff-summary" aria-label="What changes, in words">
          {diff.summary.map((words) => (
            <li key={words}>{words}</li>
          ))}
        </ul>
      )}
      {file.rows.length === 0 ? (
        <p class="muted">The manifest is the same.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must take the keyboard
        <section class="diff-scroll" tabIndex={0} aria-label={label}>
          <table>
            <caption>
              <span class="tone-ok">
                +{file.additions}
                <span class="sr-only"> lines added</span>
              </span>{' '}
              <span class="tone-bad">
                −{file.deletions}
                <span class="sr-only"> lines removed</span>
              </span>
            </caption>
            <tbody>
              {file.rows.map((row, index) => (
                <Row key={index} row={row} />
              ))}
            </tbody>
          </table>
        </section>
      )}
    </div>
  );
}
