import { rmSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { openPrivateDatabase } from '../../runtime/private-database.ts';

/** Whenever what is recorded or how it is worked out changes: an index of another version is made anew. */
const schemaVersion = 1;

const schema = `
create table tip (one integer primary key check (one = 1), position integer not null, id blob);
insert into tip values (1, 0, null);
create table commits (
  position integer primary key,
  id blob not null unique,
  subject text not null,
  author_name text not null,
  author_email text not null,
  committer_email text not null,
  committed_at integer not null
) strict;
create table files (
  file integer primary key,
  path text not null unique,
  folder integer not null references folders(folder)
) strict;
create table folders (folder integer primary key, path text not null unique) strict;
create table versions (
  file integer not null,
  number integer not null,
  position integer not null,
  folder integer not null,
  blob_before blob,
  blob_after blob,
  trailed integer not null,
  kind text not null,
  source_commit blob,
  source text,
  image text,
  build text,
  actor text,
  reason text,
  reverts blob,
  restores integer,
  reverted_by integer,
  primary key (file, number)
) strict, without rowid;
create index versions_by_folder on versions (folder, position);
create index versions_by_position on versions (position, file);
create index versions_by_content on versions (file, blob_after) where blob_after is not null;
create index versions_by_build on versions (build, file) where build is not null;
create index versions_by_source on versions (source_commit, file) where source_commit is not null;
create index versions_not_reverted on versions (file, number) where reverted_by is null;
create table aside (
  position integer not null,
  file integer not null,
  source_commit blob not null,
  primary key (source_commit, file, position)
) strict, without rowid;
create index aside_by_position on aside (position);
`;

/** Opens the index's file; one that cannot be used is thrown away, since everything in it is in git too. */
export function openIndexDatabase(path: string): DatabaseSync {
  try {
    return open(path);
  } catch {
    removeIndexDatabase(path);
    return open(path);
  }
}

export function removeIndexDatabase(path: string): void {
  for (const ending of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${ending}`, { force: true });
}

function open(path: string): DatabaseSync {
  const database = openPrivateDatabase(path);
  try {
    // Safe against a killed process and a power cut; the last commits may be lost, and are read again.
    database.exec('pragma journal_mode = wal; pragma synchronous = normal; pragma cache_size = -16000');
    const { user_version: found } = database.prepare('pragma user_version').get() as { user_version: number };
    if (found === schemaVersion) return database;
    if (found !== 0) throw new Error('an index of another version');
    database.exec(`begin; ${schema} pragma user_version = ${schemaVersion}; commit`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
