import type { DatabaseSync } from 'node:sqlite';
import { type CommitKind, commitKinds } from '../../core/manifest-writer.ts';
import { functionOfPath, tenantFolder } from '../paths.ts';
import type { LoggedChange, LoggedCommit } from '../repository/manifest-repository.ts';

/** What a change is recorded as. */
interface Version {
  file: number;
  number: number;
  position: number;
  folder: number;
  before: Buffer | null;
  after: Buffer | null;
  trailed: boolean;
  kind: CommitKind;
  sourceCommit: Buffer | null;
  source: string | null;
  image: string | null;
  build: string | null;
  actor: string | null;
  reason: string | null;
  reverts: Buffer | null;
  restores: number | null;
}

interface KnownFile {
  file: number;
  folder: number;
  /** Of its newest version. */
  number: number;
}

const maxKnownFiles = 50_000;
const id = (hex: string | null | undefined): Buffer | null =>
  hex !== null && hex !== undefined && /^[0-9a-f]{40}$/.test(hex) ? Buffer.from(hex, 'hex') : null;

/** Adds commits to the tables, one on top of the other. */
export function createCommitRecorder(database: DatabaseSync) {
  const knownFiles = new Map<string, KnownFile>();
  const sql = statements(database);

  function record(position: number, commit: LoggedCommit): void {
    const { author, committer } = commit;
    sql.insertCommit.run(
      position,
      id(commit.commit),
      commit.subject,
      author.name,
      author.email,
      committer.email,
      commit.committedAt,
    );
    for (const change of commit.changes) recordChange(position, commit, change);
  }

  function recordChange(position: number, commit: LoggedCommit, change: LoggedChange): void {
    if (change.before === null && change.after === null) return;
    const place = functionOfPath(change.path);
    if (!place) return;
    const known = fileOf(change.path, tenantFolder(place.owner, place.environment));
    known.number += 1;
    const version = toVersion(known, position, commit, change, `${place.owner}/${place.functionName}`);
    explain(version, commit);
    insert(version);
  }

  function fileOf(path: string, folderPath: string): KnownFile {
    const cached = knownFiles.get(path);
    if (cached) return cached;
    sql.insertFolder.run(folderPath);
    const { folder } = sql.folder.get(folderPath) as { folder: number };
    sql.insertFile.run(path, folder);
    const { file } = sql.file.get(path) as { file: number };
    const { number } = sql.lastNumber.get(file) as { number: number | null };
    const known = { file, folder, number: number ?? 0 };
    const oldest = knownFiles.keys().next().value;
    if (knownFiles.size >= maxKnownFiles && oldest !== undefined) knownFiles.delete(oldest);
    knownFiles.set(path, known);
    return known;
  }

  /** Fills what only the versions before can tell: what a commit restored, and which commits it undid. */
  function explain(version: Version, commit: LoggedCommit): void {
    if (version.kind !== 'edit' && version.kind !== 'remove' && version.kind !== 'revert') return;
    const earlier = earlierWith(version);
    if (earlier) {
      version.restores = earlier.first;
      if (version.kind === 'edit') version.kind = 'revert';
      inherit(version, earlier.first);
    }
    const undone = undoneBy(version, commit, earlier);
    if (!undone) return;
    sql.markReverted.run(version.number, version.file, undone.from, undone.to);
    version.reverts = commitOf(version.file, undone.named);
  }

  function earlierWith({ file, after }: Version): { first: number; newest: number } | undefined {
    if (after === null) return undefined;
    const found = sql.sameContent.get(file, after) as { first: number | null; newest: number };
    return found.first === null ? undefined : { first: found.first, newest: found.newest };
  }

  /** A restored version runs what the first one with that content ran. */
  function inherit(version: Version, origin: number): void {
    const from = sql.origin.get(version.file, origin) as
      | { source_commit: Uint8Array | null; source: string | null; image: string | null }
      | undefined;
    if (!from) return;
    version.sourceCommit ??= from.source_commit && Buffer.from(from.source_commit);
    version.source ??= from.source;
    version.image ??= from.image;
  }

  function undoneBy(
    version: Version,
    commit: LoggedCommit,
    earlier: { newest: number } | undefined,
  ): { from: number; to: number; named: number } | undefined {
    const named = namedRevert(version, commit);
    const to = version.number - 1;
    if (earlier) {
      const from = earlier.newest + 1;
      return { from, to, named: named !== undefined && named >= from ? named : to };
    }
    const listed = listedReverts(version, commit);
    if (listed === undefined) return named === undefined ? undefined : { from: named, to: named, named };
    if (listed.whole) version.restores = listed.from - 1;
    return { from: listed.from, to, named: to };
  }

  /** Towline's own revert may differ from the version it goes back to, by a hold; its trailers name all it undoes. */
  function listedReverts(version: Version, { trailers }: LoggedCommit) {
    if (!version.trailed || version.kind !== 'revert') return undefined;
    const named = trailers['Towline-Reverts'] ?? [];
    const numbers = named.map((commit) => numberOf(version.file, commit));
    const oldest = numbers.at(-1);
    if (oldest === undefined || numbers[0] !== version.number - 1) return undefined;
    if (existedBefore(version.file, oldest) !== (version.after !== null)) return undefined;
    return { from: Math.min(oldest, version.number - 1), whole: named.length < maxNamedReverts };
  }

  /**
   * The number of the commit that this one says it reverts, if that is true of this file: an earlier commit of
   * the file, whose change is taken back, either exactly (the content before it is back) or, for a commit further
   * down, by git's word that it could be undone on its own.
   */
  function namedRevert(version: Version, { trailers, body }: LoggedCommit): number | undefined {
    const named = trailers['Towline-Reverts']?.[0] ?? revertLine.exec(body)?.[1];
    const number = named === undefined ? undefined : numberOf(version.file, named);
    if (number === undefined || number >= version.number) return undefined;
    return existedBefore(version.file, number) === (version.after !== null) ? number : undefined;
  }

  function existedBefore(file: number, number: number): boolean {
    const before = sql.content.get(file, number - 1) as { blob_after: Uint8Array | null } | undefined;
    return before !== undefined && before.blob_after !== null;
  }

  function numberOf(file: number, commit: string): number | undefined {
    const found = sql.numberOf.get(file, id(commit)) as { number: number } | undefined;
    return found?.number;
  }

  function commitOf(file: number, number: number): Buffer | null {
    const found = sql.commitOf.get(file, number) as { id: Uint8Array } | undefined;
    return found ? Buffer.from(found.id) : null;
  }

  function insert(version: Version): void {
    const { file, number, position, folder, before, after, trailed, kind } = version;
    const { sourceCommit, source, image, build, actor, reason, reverts, restores } = version;
    const place = [file, number, position, folder, before, after, trailed ? 1 : 0, kind] as const;
    sql.insertVersion.run(...place, sourceCommit, source, image, build, actor, reason, reverts, restores);
  }

  return {
    record,
    /** Source commits that a merge brought along outside the first-parent history. */
    recordAside(position: number, commit: LoggedCommit): void {
      const source = id(commit.trailers['Towline-Source-Commit']?.[0]);
      if (source === null) return;
      for (const { path } of commit.changes) {
        const place = functionOfPath(path);
        if (!place) continue;
        const { file } = fileOf(path, tenantFolder(place.owner, place.environment));
        sql.insertAside.run(position, file, source);
      }
    },
    /** Forgets every commit after `position`. */
    truncate(position: number): void {
      knownFiles.clear();
      sql.unmarkReverted.run(position);
      for (const drop of [sql.dropVersions, sql.dropAside, sql.dropCommits]) drop.run(position);
    },
    /** After a rollback nothing that was counted is true. */
    forget: () => knownFiles.clear(),
  };
}

/** How many commits a revert's trailers name at most. */
export const maxNamedReverts = 50;

const revertLine = /^This reverts commit ([0-9a-f]{40})\b/m;

function toVersion(
  { file, folder, number }: KnownFile,
  position: number,
  { trailers }: LoggedCommit,
  change: LoggedChange,
  name: string,
): Version {
  const kind = trailerKind(name, trailers);
  const one = (key: string) => (kind === undefined ? null : (trailers[key]?.[0] ?? null));
  return {
    file,
    number,
    position,
    folder,
    before: id(change.before),
    after: id(change.after),
    trailed: kind !== undefined,
    kind: kind ?? (change.after === null ? 'remove' : 'edit'),
    sourceCommit: id(one('Towline-Source-Commit')),
    source: one('Towline-Source'),
    image: one('Towline-Image'),
    build: one('Towline-Build'),
    actor: one('Towline-Actor'),
    reason: one('Towline-Reason'),
    reverts: null,
    restores: null,
  };
}

/** `undefined`: no trailers, or trailers about another function. */
function trailerKind(name: string, trailers: Record<string, string[]>): CommitKind | undefined {
  if (!(trailers['Towline-Function'] ?? []).includes(name)) return undefined;
  const kind = trailers['Towline-Kind']?.[0];
  return commitKinds.find((known) => known === kind && known !== 'edit');
}

function statements(database: DatabaseSync) {
  return {
    insertCommit: database.prepare('insert into commits values (?, ?, ?, ?, ?, ?, ?)'),
    insertFolder: database.prepare('insert into folders (path) values (?) on conflict do nothing'),
    folder: database.prepare('select folder from folders where path = ?'),
    insertFile: database.prepare('insert into files (path, folder) values (?, ?) on conflict do nothing'),
    file: database.prepare('select file from files where path = ?'),
    lastNumber: database.prepare('select max(number) as number from versions where file = ?'),
    sameContent: database.prepare(
      `select (select number from versions where file = ?1 and blob_after = ?2 order by number limit 1) as first,
       (select number from versions where file = ?1 and blob_after = ?2 order by number desc limit 1) as newest`,
    ),
    origin: database.prepare(
      'select source_commit, source, image from versions where file = ? and number = ?',
    ),
    content: database.prepare('select blob_after from versions where file = ? and number = ?'),
    numberOf: database.prepare(
      'select number from versions where file = ? and position = (select position from commits where id = ?)',
    ),
    commitOf: database.prepare(
      'select id from versions join commits using (position) where file = ? and number = ?',
    ),
    // The partial index makes this cost as much as it marks, so that no history makes later reverts slow.
    markReverted: database.prepare(
      'update versions set reverted_by = ? where file = ? and number between ? and ? and reverted_by is null',
    ),
    insertVersion: database.prepare(
      `insert into versions (file, number, position, folder, blob_before, blob_after, trailed, kind, source_commit, source,
       image, build, actor, reason, reverts, restores) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    insertAside: database.prepare(
      'insert into aside (position, file, source_commit) values (?, ?, ?) on conflict do nothing',
    ),
    unmarkReverted: database.prepare(
      `update versions set reverted_by = null where file in (select file from versions where position > ?1)
       and reverted_by > (select ifnull(max(number), 0) from versions as kept
                          where kept.file = versions.file and kept.position <= ?1)`,
    ),
    dropVersions: database.prepare('delete from versions where position > ?'),
    dropAside: database.prepare('delete from aside where position > ?'),
    dropCommits: database.prepare('delete from commits where position > ?'),
  };
}
