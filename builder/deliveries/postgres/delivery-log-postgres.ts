import { Person, SourceEvent } from '../../../core/source-event.ts';
import {
  type Delivery,
  type DeliveryLog,
  type DeliveryOrigin,
  knownOf,
  laneKey,
  repositoryKey,
} from '../delivery-log.ts';
import { createRowReader } from '../readable-rows.ts';
import { openBuilderLease } from './builder-lease.ts';
import { migrate } from './migrations.ts';
import { createPatientPool, type PatientPoolConfig } from './patient-pool.ts';

export interface PostgresDeliveryLogConfig extends PatientPoolConfig {
  /** A builder that showed no sign of life for so long is dead, and its lanes are others'. Default: 30 s. */
  leaseMs?: number | undefined;
  /** How often to look for what other builders accepted or left behind. Default: 1 s. */
  pollMs?: number | undefined;
  /** An event that this version can't read, as after a downgrade; it is left out. */
  onUnreadable?: ((id: string, error: unknown) => void) | undefined;
}

type Row = Record<string, unknown>;

const defaultLeaseMs = 30_000;
const defaultPollMs = 1000;
/** Given out at once; more wait for the next look. */
const maxTaken = 500;
const takeLock = 706_101;

/** Those of a lane since its repository's deletion, the only event without a ref. */
const sinceDeletion = `seq > (SELECT COALESCE(MAX(seq), 0) FROM towline_deliveries WHERE lane = $1 AND ref = '')`;
const isDead =
  'NOT EXISTS (SELECT 1 FROM towline_builders WHERE towline_builders.fence = towline_lanes.fence)';

function toDelivery(row: Row): Delivery {
  const by = row['cancelled_by'];
  return {
    seq: Number(row['seq']),
    event: SourceEvent.parse(JSON.parse(String(row['event']))),
    origin: String(row['origin']) as DeliveryOrigin,
    receivedAt: Number(row['received_at']),
    ...(row['forced'] === true ? { isForced: true } : {}),
    ...(by === null ? {} : { cancelledBy: Person.parse(JSON.parse(String(by))) }),
  };
}

const bySeq = (a: Row, b: Row) => Number(a['seq']) - Number(b['seq']);

/**
 * For several builders: each takes whole lanes, and keeps one until all of it is done or the builder is dead. Reads and
 * marks wait out an outage; an event that can't be written is refused at once, for its sender to send again.
 */
export async function openPostgresDeliveryLog(
  config: PostgresDeliveryLogConfig,
): Promise<DeliveryLog & AsyncDisposable> {
  const { leaseMs = defaultLeaseMs, onError = () => {}, onUnreadable = () => {} } = config;
  const database = createPatientPool(config);
  const { once, patiently, pool } = database;
  await migrate(pool).catch(async (error: unknown) => {
    await database[Symbol.asyncDispose]();
    throw error;
  });
  const lease = await openBuilderLease(database, { ttlMs: leaseMs, onError });
  const { fence } = lease;

  const { all: readables } = createRowReader<Row>(toDelivery, onUnreadable);

  async function all(text: string, values: readonly unknown[] = []): Promise<Delivery[]> {
    return readables((await patiently(text, values)).rows);
  }

  /** One builder after the other, so that who is alive is the same for all of it; who was taken for dead gets nothing. */
  async function takeRows(): Promise<Row[]> {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT pg_advisory_xact_lock($1)', [takeLock]);
      await client.query('DELETE FROM towline_builders WHERE alive_until < now() AND fence <> $1', [fence]);
      await client.query(
        `INSERT INTO towline_lanes (lane, fence)
           SELECT DISTINCT lane, $1::bigint FROM towline_deliveries
           WHERE NOT done AND taken_by IS DISTINCT FROM $1
             AND EXISTS (SELECT 1 FROM towline_builders WHERE fence = $1)
         ON CONFLICT (lane) DO UPDATE SET fence = EXCLUDED.fence WHERE ${isDead}`,
        [fence],
      );
      const { rows } = await client.query<Row>(
        `UPDATE towline_deliveries SET taken_by = $1 WHERE seq IN (
           SELECT seq FROM towline_deliveries JOIN towline_lanes USING (lane)
           WHERE NOT done AND taken_by IS DISTINCT FROM $1 AND towline_lanes.fence = $1
             AND EXISTS (SELECT 1 FROM towline_builders WHERE fence = $1)
           ORDER BY seq LIMIT ${maxTaken})
         RETURNING *`,
        [fence],
      );
      await client.query('COMMIT');
      return rows.sort(bySeq);
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {});
      throw error;
    } finally {
      client.release();
    }
  }

  return {
    pollMs: config.pollMs ?? defaultPollMs,
    lost: lease.lost,
    async append(entry) {
      const { event, origin, receivedAt, isForced = false } = entry;
      const refs =
        event.type === 'repository-deleted' ? ['', '', ''] : [event.ref, event.before, event.after];
      const values = [event.id, laneKey(event), ...refs, origin, event.type === 'push'];
      const { rows } = await once(
        'SELECT accepted, duplicate FROM towline_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)',
        [...values, JSON.stringify(event), receivedAt, isForced],
      );
      const { accepted, duplicate } = rows[0] ?? {};
      if (typeof duplicate === 'string') return { type: 'duplicate', id: duplicate };
      return { type: 'accepted', delivery: { ...entry, seq: Number(accepted) } };
    },
    take: async () => readables(await takeRows()),
    pending: () => all('SELECT * FROM towline_deliveries WHERE NOT done ORDER BY seq'),
    async done(id) {
      // Not of one that others have taken over: it is theirs to end.
      await patiently(
        `WITH ended AS (UPDATE towline_deliveries SET done = true
           WHERE id = $1 AND (taken_by IS NULL OR taken_by = $2) RETURNING lane, seq)
         DELETE FROM towline_lanes USING ended WHERE towline_lanes.lane = ended.lane AND fence = $2
           AND NOT EXISTS (SELECT 1 FROM towline_deliveries other
                           WHERE other.lane = ended.lane AND NOT other.done AND other.seq <> ended.seq)`,
        [id, fence],
      );
    },
    async cancel(id, by) {
      const { rowCount } = await patiently(
        'UPDATE towline_deliveries SET cancelled_by = $2 WHERE id = $1 AND cancelled_by IS NULL',
        [id, JSON.stringify(by)],
      );
      return (rowCount ?? 0) > 0;
    },
    async find(id) {
      return (await all('SELECT * FROM towline_deliveries WHERE id = $1', [id]))[0];
    },
    ofRef: ({ repository, scm, ref }, limit) =>
      all(
        `SELECT * FROM towline_deliveries WHERE lane = $1 AND ref = $2 AND origin <> 'rebuild'
           AND ${sinceDeletion} ORDER BY seq DESC LIMIT $3`,
        [repositoryKey(scm, repository), ref, limit],
      ),
    recent: (event, limit) =>
      all('SELECT * FROM towline_deliveries WHERE lane = $1 ORDER BY seq DESC LIMIT $2', [
        laneKey(event),
        limit,
      ]),
    async repositories() {
      const newest = await all(
        `SELECT * FROM towline_deliveries WHERE ref <> '' AND lane NOT LIKE 'image:%'
           AND seq IN (SELECT MAX(seq) FROM towline_deliveries GROUP BY lane) ORDER BY seq`,
      );
      return newest.map(({ event }) => knownOf(event));
    },
    async lastSeq() {
      const { rows } = await patiently('SELECT COALESCE(MAX(seq), 0) AS seq FROM towline_deliveries');
      return Number(rows[0]?.['seq'] ?? 0);
    },
    async prune(event, keep) {
      await patiently(
        `DELETE FROM towline_deliveries WHERE done AND lane = $1 AND seq <=
           (SELECT seq FROM towline_deliveries WHERE lane = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)`,
        [laneKey(event), keep],
      );
    },
    async [Symbol.asyncDispose]() {
      await lease[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}
