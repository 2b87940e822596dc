import type { HistoryEntry } from '../../../../core/manifest-writer.ts';
import { chipsOf } from './history-words.ts';

export function Chips({ entry }: { entry: HistoryEntry }) {
  return (
    <>
      {chipsOf(entry).map((chip) => (
        <span key={chip.text} class={`chip tone-${chip.tone}`}>
          {chip.text}
        </span>
      ))}
    </>
  );
}
