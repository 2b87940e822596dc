import type { Pool } from 'pg';
import { TowlineError } from '../../../core/errors.ts';

/**
 * Each one is applied once, in order, and is never changed afterwards. `towline_append` is one statement for the client,
 * so that accepting costs one way there and back; what it reads after the lock is what others have committed before.
 */
const migrations: readonly string[] = [
  `CREATE TABLE towline_deliveries (
     seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     id text NOT NULL UNIQUE,
     lane text NOT NULL,
     ref text NOT NULL,
     before_commit text NOT NULL,
     after_commit text NOT NULL,
     origin text NOT NULL,
     event text NOT NULL,
     received_at bigint NOT NULL,
     forced boolean NOT NULL DEFAULT false,
     cancelled_by text,
     done boolean NOT NULL DEFAULT false,
     taken_by bigint
   );
   CREATE INDEX towline_deliveries_by_ref ON towline_deliveries (lane, ref, seq);
   CREATE INDEX towline_deliveries_by_content ON towline_deliveries (lane, ref, before_commit, after_commit);
   CREATE INDEX towline_deliveries_by_lane ON towline_deliveries (lane, seq);
   CREATE INDEX towline_deliveries_pending ON towline_deliveries (seq) WHERE NOT done;
   CREATE TABLE towline_builders (
     fence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     name text NOT NULL,
     alive_until timestamptz NOT NULL
   );
   CREATE TABLE towline_lanes (lane text PRIMARY KEY, fence bigint NOT NULL);
   CREATE FUNCTION towline_append(
     p_id text, p_lane text, p_ref text, p_before text, p_after text, p_origin text, p_is_push boolean,
     p_event text, p_received_at bigint, p_forced boolean, OUT accepted bigint, OUT duplicate text
   ) LANGUAGE plpgsql AS $body$
   DECLARE
     since bigint;
     same record;
     newest text;
   BEGIN
     -- One at a time in a lane: a number is never seen before a smaller one of its lane.
     PERFORM pg_advisory_xact_lock(hashtextextended(p_lane, 7061));
     SELECT id INTO duplicate FROM towline_deliveries WHERE id = p_id;
     IF duplicate IS NOT NULL THEN RETURN; END IF;
     IF p_origin = 'hook' AND p_is_push THEN
       SELECT COALESCE(MAX(seq), 0) INTO since FROM towline_deliveries WHERE lane = p_lane AND ref = '';
       SELECT id, origin, done INTO same FROM towline_deliveries
         WHERE lane = p_lane AND ref = p_ref AND before_commit = p_before AND after_commit = p_after
           AND origin <> 'rebuild' AND seq > since ORDER BY seq DESC LIMIT 1;
       IF same.id IS NOT NULL AND NOT (same.origin = 'recovered' AND NOT same.done) THEN
         SELECT after_commit INTO newest FROM towline_deliveries
           WHERE lane = p_lane AND ref = p_ref AND origin <> 'rebuild' AND seq > since
           ORDER BY seq DESC LIMIT 1;
         IF newest IS DISTINCT FROM p_before THEN duplicate := same.id; RETURN; END IF;
       END IF;
     END IF;
     -- The same id in another lane, at the same time.
     INSERT INTO towline_deliveries
       (id, lane, ref, before_commit, after_commit, origin, event, received_at, forced)
       VALUES (p_id, p_lane, p_ref, p_before, p_after, p_origin, p_event, p_received_at, p_forced)
       ON CONFLICT (id) DO NOTHING RETURNING seq INTO accepted;
     IF accepted IS NULL THEN duplicate := p_id; END IF;
   END
   $body$;`,
];

const lockKey = 706_100;

/** Brings the database to this version; several builders may begin at once. Throws `config_invalid` if it is newer. */
export async function migrate(pool: Pool): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock($1)', [lockKey]);
    await client.query(
      'CREATE TABLE IF NOT EXISTS towline_schema (version integer NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())',
    );
    const { rows } = await client.query<{ version: number | null }>(
      'SELECT MAX(version) AS version FROM towline_schema',
    );
    const version = rows[0]?.version ?? 0;
    if (version > migrations.length) {
      throw new TowlineError('config_invalid', `the database is of a newer version of Towline (${version})`, {
        hint: `this one knows ${migrations.length}; go on with the newer version`,
      });
    }
    for (const [index, text] of migrations.entries()) {
      if (index < version) continue;
      await client.query(text);
      await client.query('INSERT INTO towline_schema (version) VALUES ($1)', [index + 1]);
    }
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  } finally {
    client.release();
  }
}
