import type { ReflectorState } from '../kubernetes/reflector.ts';
import type { Logger } from '../logger.ts';

/** Tells what becomes of what is followed; `undefined`: it is followed no more. */
export type StaleLog = (path: string, isExtra: boolean, state: ReflectorState | undefined) => void;

const words = {
  needed: 'routing by the last good table',
  extra: 'functions are shown without it',
} as const;

/** As many that cannot be followed are told of at a time; the rest is in debug lines. */
const maxTold = 10;
/** Milliseconds after which a trouble that lasts is told again. */
const againMs = 3_600_000;

/** Following is tried again every few seconds, for as long as it takes: a trouble is told when it is a new one. */
export function createStaleLog(logger: Logger, now: () => number = Date.now): StaleLog {
  const told = new Map<string, { cause: string; at: number; isLoud: boolean }>();
  let loud = 0;

  function forget(path: string): boolean {
    const last = told.get(path);
    if (last?.isLoud) loud -= 1;
    return told.delete(path);
  }

  function warn(path: string, cause: string, isExtra: boolean): void {
    const last = told.get(path);
    if (last?.cause === cause && now() < last.at + againMs) return;
    forget(path);
    const isLoud = loud < maxTold;
    if (isLoud) loud += 1;
    told.set(path, { cause, at: now(), isLoud });
    logger[isLoud ? 'warn' : 'debug']({ path, cause }, words[isExtra ? 'extra' : 'needed']);
  }

  return (path, isExtra, state) => {
    if (state?.type === 'stale') warn(path, state.cause, isExtra);
    else if (forget(path) && state) logger.info({ path }, 'following the cluster');
  };
}
