import { hostname } from 'node:os';
import { delay } from '../../../runtime/lifecycle.ts';
import type { PatientPool } from './patient-pool.ts';

/**
 * A builder among those that share a database. Its number is higher than that of every builder before it; what it took
 * is its own while it shows that it lives, and another's after that.
 */
export interface BuilderLease extends AsyncDisposable {
  fence: string;
  /** Aborted once others have taken it for dead: it must stop, since they do its work. */
  lost: AbortSignal;
}

export async function openBuilderLease(
  { patiently }: PatientPool,
  { ttlMs, onError }: { ttlMs: number; onError: (error: unknown) => void },
): Promise<BuilderLease> {
  const lost = new AbortController();
  const closed = new AbortController();
  const until = `now() + $1 * interval '1 millisecond'`;
  const name = `${hostname()}:${process.pid}`;
  const { rows } = await patiently(
    `INSERT INTO towline_builders (alive_until, name) VALUES (${until}, $2) RETURNING fence`,
    [ttlMs, name],
  );
  const fence = String(rows[0]?.['fence']);

  async function renew(): Promise<void> {
    const { rowCount } = await patiently(
      `UPDATE towline_builders SET alive_until = ${until} WHERE fence = $2`,
      [ttlMs, fence],
    );
    if (rowCount === 0) lost.abort(new Error('another builder took this one for dead'));
  }

  async function keepAlive(): Promise<void> {
    while (!closed.signal.aborted && !lost.signal.aborted) {
      await delay(ttlMs / 3, closed.signal).catch(() => {});
      if (closed.signal.aborted) return;
      await renew().catch((error: unknown) => {
        if (!closed.signal.aborted) onError(error);
      });
    }
  }
  const keeping = keepAlive();

  return {
    fence,
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      closed.abort();
      // An outage must not hold up the end: then it is taken for dead a little later.
      const left = patiently('DELETE FROM towline_builders WHERE fence = $1', [fence]);
      await Promise.race([left, delay(ttlMs)]).catch(onError);
      void left.catch(() => {});
      void keeping;
    },
  };
}
