import type { DeployCause } from '../../core/deploy.ts';
import { TowlineError } from '../../core/errors.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { SupervisorConfig } from './config.ts';
import { type DesiredFunction, runKey, shortVersion } from './desired-function.ts';
import type { Instance } from './instance.ts';
import { gotStuck } from './liveness.ts';
import { withTail } from './readiness.ts';
import type { Starter } from './starter.ts';
import { stopInstance } from './stop-instance.ts';

export interface RunnerDeps {
  starter: Starter;
  logger: Logger;
  now: () => number;
  random: () => number;
  wait: (ms: number, signal: AbortSignal) => Promise<void>;
  closing: AbortSignal;
  onOutput: (chunk: Buffer) => void;
  /** Whether it takes requests, or why it doesn't, is different now. */
  onChange: (runner: Runner) => void;
}

/** Keeps one version of one function running: starts it, starts it again when it ends, until it is stopped. */
export interface Runner {
  /** May be replaced by one with the same key: only where it came from differs. */
  version: DesiredFunction;
  readonly key: string;
  /** The instance that takes requests now. */
  readonly instance: Instance | undefined;
  /** Why the last start or run ended; `undefined` while there is nothing to complain about. */
  readonly failure: DeployCause | undefined;
  readonly restarts: number;
  readonly readyAt: number | null;
  /** Takes no new requests from now on; resolves when nothing of it is left. */
  stop(): Promise<void>;
}

/** `isProven`: the version was healthy before, so it is started again soon and often. */
export function startRunner(
  version: DesiredFunction,
  isProven: boolean,
  config: SupervisorConfig,
  deps: RunnerDeps,
): Runner {
  const stopping = new AbortController();
  let hasBeenHealthy = isProven;
  let failuresInARow = 0;
  let stopped: Promise<void> | undefined;

  const runner = {
    version,
    key: runKey(version),
    instance: undefined as Instance | undefined,
    failure: undefined as DeployCause | undefined,
    restarts: 0,
    readyAt: null as number | null,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };

  async function stop(): Promise<void> {
    stopping.abort();
    const { instance } = runner;
    if (instance !== undefined) {
      await stopInstance(instance, {
        delayMs: config.drainDelayMs,
        timeoutMs: config.drainTimeoutMs,
        closing: deps.closing,
        closingTimeoutMs: config.closingTimeoutMs,
      });
    }
    await loop;
    await deps.starter.cleared();
  }

  /** Ends an instance that gets stuck, too. */
  async function howItEnds(instance: Instance): Promise<string> {
    const hasEnded = new AbortController();
    const { liveness } = config;
    let stuck = false;
    const watching = gotStuck(instance.origin, liveness, AbortSignal.any([hasEnded.signal, stopping.signal]));
    void watching.then((isStuck) => {
      stuck = isStuck;
      if (isStuck) instance.kill();
    });
    const how = await instance.ended;
    hasEnded.abort();
    if (!stuck) return how;
    return `got stuck: ${liveness.failures} health checks in a row were not answered`;
  }

  async function runOnce(): Promise<void> {
    const instance = await deps.starter.start(runner.version, deps.onOutput, stopping.signal);
    if (stopping.signal.aborted) {
      // Stopped in the very moment it got healthy: nobody else knows of it.
      instance.kill();
      await instance.ended;
      throw stopping.signal.reason;
    }
    const readyAt = deps.now();
    Object.assign(runner, { instance, readyAt, failure: undefined });
    hasBeenHealthy = true;
    deps.onChange(runner);
    const how = await howItEnds(instance);
    Object.assign(runner, { instance: undefined, readyAt: null });
    stopping.signal.throwIfAborted();
    if (deps.now() - readyAt >= config.restart.resetAfterMs) failuresInARow = 0;
    runner.restarts++;
    deps.onOutput(Buffer.from(`[version ${shortVersion(runner.version)} ${how}]\n`));
    throw new TowlineError('unhealthy', withTail(how, instance));
  }

  async function keepRunning(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await runOnce();
      } catch (error) {
        if (stopping.signal.aborted) return;
        failuresInARow++;
        runner.failure = causeOf(error, deps.logger);
        deps.onChange(runner);
        const waits = hasBeenHealthy ? config.restart : config.retry;
        const waitMs = backoffMs(failuresInARow, { ...waits, random: deps.random });
        await deps.wait(waitMs, stopping.signal).catch(() => undefined);
      }
    }
  }

  // A start that is stopped again in the same turn of the event loop never spawns anything.
  const loop = Promise.resolve().then(keepRunning);
  return runner;
}

function causeOf(error: unknown, logger: Logger): DeployCause {
  if (error instanceof TowlineError) return { code: error.code, message: error.message, hint: error.hint };
  logger.error({ err: error }, 'a function could not be started');
  return { code: 'internal', message: 'an internal error; the log of the platform has the details' };
}
