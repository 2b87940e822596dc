import type { BackoffOptions } from '../../runtime/backoff.ts';
import { type Liveness, livenessAfter } from './liveness.ts';
import type { PortRange } from './port-pool.ts';

export interface SupervisorConfig {
  /** The artifact store. */
  artifactsDir: string;
  /** The supervisor's own folder: the last good versions, logs, temporary homes. One supervisor at a time. */
  stateDir: string;
  /** `PATH` of the functions: where their commands are found. */
  path: string;
  portRange: PortRange;
  /** Milliseconds from the start of a process to its first good health answer. */
  readyTimeoutMs: number;
  /** When one that was healthy is ended, to be started again. */
  liveness: Liveness;
  /** Milliseconds for which a replaced version still takes requests that were on their way. */
  drainDelayMs: number;
  /** Milliseconds for which a stopped version may finish its requests. */
  drainTimeoutMs: number;
  /** The same when the platform itself ends. */
  closingTimeoutMs: number;
  /** A function without requests for this long is put to sleep; 0 is never. */
  idleAfterMs: number;
  /** Of one function's output kept on disk. */
  maxLogBytes: number;
  /** Between restarts of a version that was healthy once; after `resetAfterMs` of health it starts over. */
  restart: Pick<BackoffOptions, 'firstMs' | 'maxMs'> & { resetAfterMs: number };
  /** Between tries of a version that was never healthy. */
  retry: Pick<BackoffOptions, 'firstMs' | 'maxMs'>;
  /** Processes of one fork-per-request function at the same time. */
  maxForks: number;
  /** Bytes of one answer that mode `serializing` buffers. */
  maxResponseBytes: number;
  /** Functions being started at the same time. */
  maxConcurrentStarts: number;
}

/** What need not be given. */
export const supervisorDefaults: Omit<SupervisorConfig, 'artifactsDir' | 'stateDir' | 'path'> = {
  portRange: { from: 20_000, to: 29_999 },
  readyTimeoutMs: 20_000,
  // Twice as long as the router waits for an answer to begin.
  liveness: livenessAfter(120_000),
  drainDelayMs: 100,
  drainTimeoutMs: 30_000,
  closingTimeoutMs: 3_000,
  idleAfterMs: 0,
  maxLogBytes: 4 * 1024 * 1024,
  restart: { firstMs: 100, maxMs: 30_000, resetAfterMs: 60_000 },
  retry: { firstMs: 5_000, maxMs: 300_000 },
  maxForks: 32,
  maxResponseBytes: 32 * 1024 * 1024,
  maxConcurrentStarts: 8,
};

export type SupervisorOptions = Pick<SupervisorConfig, 'artifactsDir' | 'stateDir' | 'path'> &
  Partial<SupervisorConfig>;
