import type { DatabaseSync } from 'node:sqlite';
import type { CommitKind } from '../../core/manifest-writer.ts';
import type { BranchHistory, IndexedVersion, VersionPage } from './history-index.ts';

interface Row {
  path: string;
  id: Uint8Array;
  number: number;
  blob_before: Uint8Array | null;
  blob_after: Uint8Array | null;
  trailed: number;
  kind: string;
  subject: string;
  author_name: string;
  author_email: string;
  committer_email: string;
  committed_at: number;
  source_commit: Uint8Array | null;
  source: string | null;
  image: string | null;
  build: string | null;
  actor: string | null;
  reason: string | null;
  reverts: Uint8Array | null;
  restores: number | null;
  reverted_by: number | null;
  newest: number;
}

const hex = (bytes: Uint8Array | null): string | null => bytes && Buffer.from(bytes).toString('hex');
const bytesOf = (commit: string): Buffer | null =>
  /^[0-9a-f]{40}$/.test(commit) ? Buffer.from(commit, 'hex') : null;

/** `?1` is the position up to which the branch is told of; a file's newest version is its last one by then. */
const versionColumns = `select path, id, versions.*, subject, author_name, author_email, committer_email, committed_at,
  (select number from versions as later where later.file = versions.file and later.position <= ?1
   order by number desc limit 1) as newest
  from versions join files using (file) join commits using (position)`;
const ofFile = 'versions.file = (select file from files where path = ?2) and versions.position <= ?1';

/** The prepared questions of one open index. */
export function createHistoryQueries(database: DatabaseSync) {
  const of = (where: string) => database.prepare(`${versionColumns} where ${where}`);
  const sql = {
    newest: of(`${ofFile} order by versions.number desc limit 1`),
    byCommit: of(`${ofFile} and versions.position = (select position from commits where id = ?3)`),
    ofBuild: of(`${ofFile} and build = ?3 order by versions.number desc limit 50`),
    byContent: of(`${ofFile} and blob_after = ?3 order by versions.number desc limit 1`),
    since: of(`${ofFile} and versions.number > ?3 order by versions.number desc limit ?4`),
    page: of(`${ofFile} and versions.position < ?3 order by versions.number desc limit ?4`),
    // The page goes on to the end of its last commit.
    pageOfFolder:
      of(`versions.folder = (select folder from folders where path = ?2) and versions.position <= ?1
      and versions.position < ?3 and versions.position >= ifnull((select position from versions as last
        where last.folder = (select folder from folders where path = ?2) and last.position <= ?1
        and last.position < ?3 order by last.position desc limit 1 offset ?4), 0)
      order by versions.position desc, path`),
    source: database.prepare(
      `select 1 from files where path = ?2 and (
       exists (select 1 from versions where source_commit = ?3 and versions.file = files.file and position <= ?1)
       or exists (select 1 from aside where source_commit = ?3 and aside.file = files.file and position <= ?1))`,
    ),
    commitsOfSource: database.prepare(
      `select distinct id, position from versions join commits using (position)
       where source_commit = ?2 and position <= ?1 order by position desc limit ?3`,
    ),
    position: database.prepare('select position from commits where id = ?2 and position <= ?1'),
  };

  /** The branch as it was at `position`, whatever was added since. */
  return function historyAt(position: number, reading: <T>(read: () => T) => T): BranchHistory {
    const one = (statement: (typeof sql)['newest'], ...values: (string | number | Buffer)[]) =>
      reading(() => {
        const row = statement.get(position, ...values) as Row | undefined;
        return row && toVersion(row);
      });
    const all = (statement: (typeof sql)['newest'], ...values: (string | number | Buffer)[]) =>
      reading(() => (statement.all(position, ...values) as unknown as Row[]).map(toVersion));

    function positionOf(commit: string): number | undefined {
      const id = bytesOf(commit);
      if (id === null) return undefined;
      return reading(() => sql.position.get(position, id) as { position: number } | undefined)?.position;
    }

    /** Where the page begins: below this position. An unknown commit ends the paging. */
    function below({ before }: VersionPage): number {
      return before === undefined ? position + 1 : (positionOf(before) ?? 0);
    }

    /** A decision asks for it and for its number. */
    let last: { path: string; version: IndexedVersion | undefined } | undefined;
    function newest(path: string): IndexedVersion | undefined {
      if (last?.path !== path) last = { path, version: one(sql.newest, path) };
      return last.version;
    }

    return {
      newest,
      count: (path) => newest(path)?.number ?? 0,
      ofBuild: (path, buildId) => all(sql.ofBuild, path, buildId),
      byCommit(path, commit) {
        const id = bytesOf(commit);
        return id === null ? undefined : one(sql.byCommit, path, id);
      },
      byContent(path, blob) {
        const id = bytesOf(blob);
        return id === null ? undefined : one(sql.byContent, path, id);
      },
      hasSource(path, sourceCommit) {
        const id = bytesOf(sourceCommit);
        return id !== null && reading(() => sql.source.get(position, path, id) !== undefined);
      },
      since: (path, number, limit) => all(sql.since, path, number, limit),
      pageOfFile: (path, page) => all(sql.page, path, below(page), page.limit),
      pageOfFolder(folder, page) {
        return page.limit < 1 ? [] : all(sql.pageOfFolder, folder, below(page), page.limit - 1);
      },
      commitsOfSource(sourceCommit, limit) {
        const id = bytesOf(sourceCommit);
        if (id === null) return [];
        const rows = reading(() => sql.commitsOfSource.all(position, id, limit)) as { id: Uint8Array }[];
        return rows.map((row) => Buffer.from(row.id).toString('hex'));
      },
      has: (commit) => positionOf(commit) !== undefined,
    };
  };
}

function toVersion(row: Row): IndexedVersion {
  return {
    path: row.path,
    commit: hex(row.id) ?? '',
    number: row.number,
    before: hex(row.blob_before),
    after: hex(row.blob_after),
    trailed: row.trailed === 1,
    kind: row.kind as CommitKind,
    subject: row.subject,
    author: { name: row.author_name, email: row.author_email },
    committerEmail: row.committer_email,
    committedAt: row.committed_at,
    sourceCommit: hex(row.source_commit),
    source: row.source,
    image: row.image,
    buildId: row.build,
    actor: row.actor,
    reason: row.reason,
    reverts: hex(row.reverts),
    restores: row.restores,
    revertedBy: row.reverted_by !== null && row.reverted_by <= row.newest ? row.reverted_by : null,
    current: row.number === row.newest,
  };
}
