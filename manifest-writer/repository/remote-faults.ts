import { TowlineError } from '../../core/errors.ts';

export function unavailable(what: string, cause?: Error): TowlineError {
  return new TowlineError('remote_unavailable', `the GitOps repository ${what}`, { cause });
}

export function noRoom(cause: Error): TowlineError {
  return new TowlineError('unavailable', "there is no room for the writer's clone", {
    hint: 'is its disk full?',
    cause,
  });
}

export function isAway(error: unknown): boolean {
  return error instanceof TowlineError && error.code === 'remote_unavailable';
}
