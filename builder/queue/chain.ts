import type { PushEvent } from '../../core/source-event.ts';

/** One move of a ref, as the forge tells it. */
export type Move = Pick<PushEvent, 'before' | 'after'>;

/** Whether `to` comes after `from` by the moves that are known between them. */
function leadsTo(from: Move, to: Move, moves: readonly Move[]): boolean {
  const reached = new Set<string>();
  const next = [from.after];
  for (let at = next.pop(); at !== undefined; at = next.pop()) {
    if (at === to.before) return true;
    if (reached.has(at)) continue;
    reached.add(at);
    for (const { before, after } of moves) if (before === at) next.push(after);
  }
  return false;
}

/**
 * Which of two moves of one ref is the later one, by the forge's own chain of `before` and `after`, whatever order they
 * arrived in. `unknown`: moves between them are missing, or the branch was forced back and the chain is a ring.
 */
export function laterMove(first: Move, second: Move, known: readonly Move[]): 'first' | 'second' | 'unknown' {
  const moves = [...known, first, second];
  const isSecond = leadsTo(first, second, moves);
  const isFirst = leadsTo(second, first, moves);
  if (isFirst === isSecond) return 'unknown';
  return isFirst ? 'first' : 'second';
}

/** Whether everything that moved the ref from `from` to `to` is to be passed over: then `from` is what counts there. */
export function isPassedOver<T extends Move>(
  from: string,
  to: string,
  moves: readonly T[],
  isSkipped: (move: T) => boolean,
): boolean {
  const seen = new Set<string>();
  for (let at = from; at !== to; ) {
    const next = moves.find((move) => move.before === at && isSkipped(move));
    if (!next || seen.has(at)) return false;
    seen.add(at);
    at = next.after;
  }
  return true;
}

/**
 * Where the chain ends, of moves in the order of arrival, newest first: the newest, unless others lead on from it, as
 * when it arrived late. A ring has no end: then it is the newest.
 */
export function chainEnd<T extends Move>(newestFirst: readonly T[]): T | undefined {
  const [newest] = newestFirst;
  if (!newest) return undefined;
  let end = newest;
  const seen = new Set<string>([newest.after]);
  for (;;) {
    const next = newestFirst.find((move) => move !== end && move.before === end.after);
    if (!next) return end;
    if (seen.has(next.after)) return newest;
    seen.add(next.after);
    end = next;
  }
}
