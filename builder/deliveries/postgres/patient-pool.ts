import { DatabaseError, Pool, type QueryResult } from 'pg';
import { TowlineError } from '../../../core/errors.ts';
import { backoffMs } from '../../../runtime/backoff.ts';
import { delay } from '../../../runtime/lifecycle.ts';

export interface PatientPoolConfig {
  /** `postgresql://user:password@host:5432/database`, or `postgresql:///database?host=/run/postgresql`. */
  url: string;
  maxConnections?: number | undefined;
  /** Milliseconds for one statement, and for one connection. */
  timeoutMs?: number | undefined;
  /** First and longest wait between two tries. */
  retry?: { firstMs: number; maxMs: number } | undefined;
  onError?: ((error: unknown) => void) | undefined;
}

type Values = readonly unknown[];
type Row = Record<string, unknown>;

export interface PatientPool extends AsyncDisposable {
  pool: Pool;
  /** Once. Throws `unavailable` if the database can't be asked now. */
  once(text: string, values: Values): Promise<QueryResult<Row>>;
  /** Again and again while the database is away; only for what may be done twice. Rejects once it is closed. */
  patiently(text: string, values?: Values): Promise<QueryResult<Row>>;
}

const defaultTimeoutMs = 10_000;
const defaultRetry = { firstMs: 100, maxMs: 5000 };
/** What a server says that starts, stops, is full, or gave up on a statement; all else is a defect of ours. */
const passing = /^(?:08|53|57)|^(?:40001|40P01|25006|55P03)$/;

function isPassing(error: unknown): boolean {
  // What is no answer of the server is a broken or a refused connection.
  return !(error instanceof DatabaseError) || passing.test(error.code ?? '');
}

/** Commits are on disk when they are answered, whatever the server's or the role's default is. */
export function createPatientPool(config: PatientPoolConfig): PatientPool {
  const { timeoutMs = defaultTimeoutMs, retry = defaultRetry, onError = () => {} } = config;
  const closed = new AbortController();
  const pool = new Pool({
    connectionString: config.url,
    max: config.maxConnections ?? 10,
    connectionTimeoutMillis: timeoutMs,
    statement_timeout: timeoutMs,
    query_timeout: timeoutMs + 1000,
    idle_in_transaction_session_timeout: timeoutMs,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    application_name: 'towline-builder',
    options: '-c synchronous_commit=on',
  });
  // Of a connection that nobody is using: the next query makes another.
  pool.on('error', onError);

  const patientPool: PatientPool = {
    pool,
    async once(text, values) {
      try {
        return await pool.query<Row>(text, [...values]);
      } catch (error) {
        if (!isPassing(error)) throw error;
        throw new TowlineError('unavailable', 'the database of the deliveries is away', { cause: error });
      }
    },
    async patiently(text, values = []) {
      for (let tries = 1; ; tries += 1) {
        closed.signal.throwIfAborted();
        try {
          return await pool.query<Row>(text, [...values]);
        } catch (error) {
          if (!isPassing(error) || closed.signal.aborted) throw error;
          if (tries === 1) onError(error);
          await delay(backoffMs(tries, retry), closed.signal);
        }
      }
    },
    async [Symbol.asyncDispose]() {
      if (closed.signal.aborted) return;
      closed.abort(new Error('the connection to the database is closed'));
      await pool.end();
    },
  };
  return patientPool;
}
