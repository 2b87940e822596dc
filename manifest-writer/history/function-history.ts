import { type CommitKind, commitKinds, type HistoryEntry } from '../../core/manifest-writer.ts';
import type { FileVersion } from '../planning/branch-view.ts';

export interface HistorySubject {
  owner: string;
  functionName: string;
  /** Whose commits are Towline's own. */
  committerEmail: string;
}

/**
 * One function's history from its file's versions (newest first, as given): Towline's commits by their trailers,
 * everybody else's by what they did to the file.
 */
export function functionHistory(subject: HistorySubject, versions: readonly FileVersion[]): HistoryEntry[] {
  const oldestFirst = versions.toReversed();
  const entries = oldestFirst.map((version) => toEntry(subject, version));
  const numbers = new Map(entries.map((entry) => [entry.commit, entry.number]));
  /** For each content: the first version that had it, and the newest. */
  const seen = new Map<string, { first: number; newest: number }>();
  for (const [index, entry] of entries.entries()) {
    const version = oldestFirst[index];
    if (!version) continue;
    const earlier = version.after === null ? undefined : seen.get(version.after);
    explain(entry, version, { entries, numbers, earlier });
    if (version.after !== null) {
      seen.set(version.after, { first: earlier?.first ?? entry.number, newest: entry.number });
    }
  }
  const newest = entries.at(-1);
  if (newest) newest.current = true;
  return entries.reverse();
}

function toEntry(subject: HistorySubject, { commit, number, after }: FileVersion): HistoryEntry {
  const { trailers } = commit;
  const one = (key: string) => trailers[key]?.[0] ?? null;
  const kind = trailerKind(subject, trailers);
  const base = {
    commit: commit.commit,
    owner: subject.owner,
    functionName: subject.functionName,
    number,
    subject: commit.subject,
    author: commit.author,
    committedAt: commit.committedAt,
    reverts: null,
    restores: null,
    revertedBy: null,
    direct: kind === undefined || commit.committer.email !== subject.committerEmail,
    current: false,
    present: after !== null,
  };
  if (kind === undefined) {
    const nothing = {
      sourceCommit: null,
      source: null,
      image: null,
      buildId: null,
      actor: null,
      reason: null,
    };
    return { ...base, ...nothing, kind: after === null ? 'remove' : 'edit' };
  }
  return {
    ...base,
    kind,
    sourceCommit: one('Towline-Source-Commit'),
    source: one('Towline-Source'),
    image: one('Towline-Image'),
    buildId: one('Towline-Build'),
    actor: one('Towline-Actor'),
    reason: one('Towline-Reason'),
  };
}

/** `undefined`: no trailers, or trailers about another function. */
function trailerKind(subject: HistorySubject, trailers: Record<string, string[]>): CommitKind | undefined {
  const named = trailers['Towline-Function'] ?? [];
  if (!named.includes(`${subject.owner}/${subject.functionName}`)) return undefined;
  const kind = trailers['Towline-Kind']?.[0];
  return commitKinds.find((known) => known === kind && known !== 'edit');
}

interface Before {
  entries: HistoryEntry[];
  numbers: ReadonlyMap<string, number>;
  earlier: { first: number; newest: number } | undefined;
}

/** Fills what only the versions before can tell: what a commit restored, and which commits it undid. */
function explain(entry: HistoryEntry, version: FileVersion, before: Before): void {
  const recognised = entry.kind === 'edit' || entry.kind === 'remove' || entry.kind === 'revert';
  if (!recognised) return;
  const { entries, earlier } = before;
  const named = namedRevert(entry, version, before);
  if (earlier) {
    entry.restores = earlier.first;
    if (entry.kind === 'edit') entry.kind = 'revert';
    inherit(entry, entries[earlier.first - 1]);
  }
  const undoneFrom = earlier ? earlier.newest + 1 : named;
  if (undoneFrom === undefined) return;
  const undoneTo = earlier ? entry.number - 1 : undoneFrom;
  for (let number = undoneFrom; number <= undoneTo; number += 1) {
    const undone = entries[number - 1];
    if (undone) undone.revertedBy ??= entry.number;
  }
  const inRange = named !== undefined && named >= undoneFrom && named <= undoneTo;
  entry.reverts = entries[(inRange ? named : undoneTo) - 1]?.commit ?? null;
}

/** A restored version runs what the first one with that content ran. */
function inherit(entry: HistoryEntry, origin: HistoryEntry | undefined): void {
  entry.sourceCommit ??= origin?.sourceCommit ?? null;
  entry.source ??= origin?.source ?? null;
  entry.image ??= origin?.image ?? null;
}

const revertLine = /^This reverts commit ([0-9a-f]{40})\b/m;

/**
 * The number of the commit that this one says it reverts, if that is true of this file: an earlier commit of the
 * file, whose change is taken back, either exactly (the content before it is back) or, for a commit further
 * down, by git's word that it could be undone on its own.
 */
function namedRevert(entry: HistoryEntry, version: FileVersion, before: Before): number | undefined {
  const { body, trailers } = version.commit;
  const named = trailers['Towline-Reverts']?.[0] ?? revertLine.exec(body)?.[1];
  const number = named === undefined ? undefined : before.numbers.get(named);
  if (number === undefined || number >= entry.number) return undefined;
  const wasThere = before.entries[number - 2]?.present ?? false;
  return wasThere === entry.present ? number : undefined;
}
