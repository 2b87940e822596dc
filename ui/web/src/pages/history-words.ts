import type { HistoryEntry } from '../../../../core/manifest-writer.ts';
import { plainSubject } from '../format/commit.ts';

export interface Chip {
  text: string;
  tone: 'ok' | 'warn' | 'idle';
}

const kindWords: Record<HistoryEntry['kind'], string> = {
  deploy: 'Deploy',
  remove: 'Removal',
  revert: 'Rollback',
  hold: 'Hold',
  resume: 'Resume',
  promote: 'Promotion',
  secrets: 'Secrets',
  tenant: 'Set-up',
  edit: 'Edit',
};

export function kindWord(entry: HistoryEntry): string {
  return kindWords[entry.kind] ?? entry.kind;
}

/** What became of a history row, and how it came about. */
export function chipsOf(entry: HistoryEntry): Chip[] {
  const chips: Chip[] = [];
  if (entry.current) chips.push({ text: 'Current', tone: 'ok' });
  if (entry.revertedBy !== null) chips.push({ text: `Rolled back by #${entry.revertedBy}`, tone: 'warn' });
  if (entry.direct) chips.push({ text: 'directly in git', tone: 'idle' });
  if (!entry.present) chips.push({ text: 'Removed', tone: 'idle' });
  return chips;
}

/** What the commit did, in one line; a rollback says where to. */
export function titleOf(entry: HistoryEntry): string {
  if (entry.kind === 'revert' && entry.restores !== null) return `Rollback to #${entry.restores}`;
  return plainSubject(entry.subject) || kindWord(entry);
}

/** Why a row cannot be rolled back to, or `undefined` if it can. */
export function whyNotRevert(entry: HistoryEntry, head: HistoryEntry | undefined): string | undefined {
  if (entry.current) return 'This is what is live now';
  if (!entry.present) return 'The function was removed by this commit: there is nothing to go back to';
  if (head?.present && head.image === entry.image && head.restores === entry.number)
    return 'This is what is live now';
  return undefined;
}

/** What a rollback has reached, by what the platform says of the function now. */
export type RevertStage = 'committed' | 'applied' | 'live';

export function revertStage(
  wanted: { number: number; image: string | null },
  now: { status: string; number: number | null; image: string | null; desiredImage: string | null },
): RevertStage {
  const asked = wanted.image === null || now.desiredImage === wanted.image;
  const served = wanted.image === null || now.image === wanted.image;
  const numbered = now.number === null || now.number >= wanted.number;
  if (asked && served && numbered && (now.status === 'Ready' || now.status === 'Asleep')) return 'live';
  return asked && numbered ? 'applied' : 'committed';
}
