import { setTimeout as wait } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Where the API server is; `account` has a token and a certificate as a pod's folder has them. */
export interface Following {
  functions: number;
  server: string;
  account: string;
  kubeconfig: string;
}

export interface Cost {
  sync_ms: number;
  rss_mb: number;
  heap_mb: number;
  peak_rss_mb: number;
}

export type Message = ({ type: 'synced' } & Cost) | { type: 'changed'; image: string; at: number };

/** Milliseconds, the same in every process of this machine. */
export const clock = () => performance.timeOrigin + performance.now();

export const tell = (message: Message) => process.send?.(message);

export function given(): Following {
  return JSON.parse(process.argv[2] ?? '{}') as Following;
}

/** V8 gives what it has freed back to the system after some seconds. */
const settleMs = 12_000;

/** Says what it has cost until now, in megabytes: at most, and after everything that can go is gone. */
export async function tellSynced(startedAt: number): Promise<void> {
  const sync_ms = Math.round(performance.now() - startedAt);
  const peak_rss_mb = round(process.resourceUsage().maxRSS / 1024);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  await wait(settleMs);
  collect();
  const { rss, heapUsed } = process.memoryUsage();
  const mb = (bytes: number) => round(bytes / 1024 / 1024);
  tell({ type: 'synced', sync_ms, rss_mb: mb(rss), heap_mb: mb(heapUsed), peak_rss_mb });
}

const round = (value: number) => Math.round(value * 10) / 10;
