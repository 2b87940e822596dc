import type { DatabaseSync } from 'node:sqlite';
import { type BuiltFunction, type BuiltImages, keptPerFunction } from './built-images.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS built_images (
    owner_id TEXT NOT NULL,
    repo TEXT NOT NULL,
    function_name TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    image TEXT NOT NULL,
    source_commit TEXT NOT NULL,
    built_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    PRIMARY KEY (owner_id, repo, function_name, content_hash)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS built_images_by_use ON built_images (used_at);
`;

const thisFunction = 'owner_id = ?1 AND repo = ?2 AND function_name = ?3';
/** Times can be equal; turns can't. */
const nextTurn = `(SELECT COALESCE(MAX(turn), 0) + 1 FROM built_images WHERE ${thisFunction})`;

/** Makes its table in the database of the records. */
export function createSqliteBuiltImages(database: DatabaseSync, now: () => number): BuiltImages {
  database.exec(schema);
  const find = database.prepare(
    `SELECT image, source_commit, built_at FROM built_images WHERE ${thisFunction} AND content_hash = ?4`,
  );
  const use = database.prepare(
    `UPDATE built_images SET used_at = ?5, turn = ${nextTurn} WHERE ${thisFunction} AND content_hash = ?4`,
  );
  const put = database.prepare(
    `INSERT OR REPLACE INTO built_images
       (owner_id, repo, function_name, content_hash, image, source_commit, built_at, used_at, turn)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ${nextTurn})`,
  );
  const trim = database.prepare(
    `DELETE FROM built_images WHERE ${thisFunction} AND turn <=
       (SELECT turn FROM built_images WHERE ${thisFunction} ORDER BY turn DESC LIMIT 1 OFFSET ${keptPerFunction})`,
  );
  const remove = database.prepare(`DELETE FROM built_images WHERE ${thisFunction} AND content_hash = ?4`);
  const removeOld = database.prepare('DELETE FROM built_images WHERE used_at < ?');

  const key = ({ ownerId, repo, functionName }: BuiltFunction) => [ownerId, repo, functionName] as const;
  return {
    find(of, contentHash) {
      const row = find.get(...key(of), contentHash);
      if (!row) return undefined;
      use.run(...key(of), contentHash, now());
      return {
        image: String(row['image']),
        sourceCommit: String(row['source_commit']),
        builtAt: Number(row['built_at']),
      };
    },
    put(of, contentHash, { image, sourceCommit, builtAt }) {
      put.run(...key(of), contentHash, image, sourceCommit, builtAt, now());
      trim.run(...key(of));
    },
    remove: (of, contentHash) => void remove.run(...key(of), contentHash),
    removeOlderThan: (before) => void removeOld.run(before),
  };
}
