import { type CommitKind, commitKinds, type HistoryEntry } from '../../core/manifest-writer.ts';
import { functionOfPath, tenantFolder } from '../paths.ts';
import type { LoggedCommit, ManifestRepository } from '../repository/manifest-repository.ts';

interface FileVersion {
  commit: LoggedCommit;
  number: number;
  after: string | null;
}

/** For tests: one owner's history worked out from one `git log`, newest first, without any index. */
export async function naiveHistory(
  repository: ManifestRepository,
  head: string,
  owner: string,
  committerEmail: string,
): Promise<HistoryEntry[]> {
  const commits = await repository.log(head, [tenantFolder(owner)]);
  const byPath = new Map<string, FileVersion[]>();
  for (const commit of commits) {
    for (const { path, after } of commit.changes) {
      byPath.set(path, [...(byPath.get(path) ?? []), { commit, number: 0, after }]);
    }
  }
  const entries = [...byPath].flatMap(([path, versions]) => {
    for (const [index, version] of versions.entries()) version.number = versions.length - index;
    const place = functionOfPath(path);
    return place ? functionHistory({ ...place, committerEmail }, versions) : [];
  });
  const order = new Map(commits.map(({ commit }, index) => [commit, index]));
  const at = ({ commit }: HistoryEntry) => order.get(commit) ?? 0;
  return entries.sort((a, b) => at(a) - at(b) || (a.functionName < b.functionName ? -1 : 1));
}

interface HistorySubject {
  owner: string;
  functionName: string;
  /** Whose commits are Towline's own. */
  committerEmail: string;
}

/**
 * One function's history from its file's versions (newest first, as given): Towline's commits by their trailers,
 * everybody else's by what they did to the file.
 */
function functionHistory(subject: HistorySubject, versions: readonly FileVersion[]): HistoryEntry[] {
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
  if (!['edit', 'remove', 'revert'].includes(entry.kind)) return;
  const { entries, earlier } = before;
  const named = namedRevert(entry, version, before);
  if (earlier) {
    entry.restores = earlier.first;
    if (entry.kind === 'edit') entry.kind = 'revert';
    inherit(entry, entries[earlier.first - 1]);
  }
  const listed = earlier ? undefined : listedFrom(entry, version, before);
  if (listed !== undefined) entry.restores = listed - 1;
  const from = earlier ? earlier.newest + 1 : (listed ?? named);
  if (from === undefined) return;
  const to = earlier || listed ? entry.number - 1 : from;
  for (const undone of entries.slice(from - 1, to)) undone.revertedBy ??= entry.number;
  const inRange = named !== undefined && named >= from && named <= to;
  entry.reverts = entries[(inRange ? named : to) - 1]?.commit ?? null;
}

/** A restored version runs what the first one with that content ran. */
function inherit(entry: HistoryEntry, origin: HistoryEntry | undefined): void {
  entry.sourceCommit ??= origin?.sourceCommit ?? null;
  entry.source ??= origin?.source ?? null;
  entry.image ??= origin?.image ?? null;
}

/** Towline's own revert that also holds: the first of all that it names, down from the one before it. */
function listedFrom(entry: HistoryEntry, version: FileVersion, before: Before): number | undefined {
  const { trailers } = version.commit;
  const own = trailers['Towline-Function']?.includes(`${entry.owner}/${entry.functionName}`);
  if (entry.kind !== 'revert' || !own) return undefined;
  const numbers = (trailers['Towline-Reverts'] ?? []).map((commit) => before.numbers.get(commit));
  const oldest = numbers.at(-1);
  if (oldest === undefined || numbers[0] !== entry.number - 1) return undefined;
  return (before.entries[oldest - 2]?.present ?? false) === entry.present ? oldest : undefined;
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
