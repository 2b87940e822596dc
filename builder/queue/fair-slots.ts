export interface FairSlotsOptions {
  total: number;
  /** The most that one owner may hold at once. */
  perOwner: number;
}

export interface Slot extends Disposable {
  release(): void;
}

interface Waiter {
  grant: () => void;
}

/** One owner's. */
interface Line {
  waiters: Waiter[];
  held: number;
  /** The round in which its next turn is: one later with each turn it had. */
  turn: number;
}

/** Who comes anew goes before those that wait for another turn in the same round. */
const ahead = 0.5;

/**
 * A bounded number of places, given to owners in turn: however many one owner waits for, another's next is at most one
 * turn of each of the others away, and one's that waited for nothing comes before all that have had a turn.
 */
export interface FairSlots {
  /** Rejects with the signal's reason if it aborts before a place is free. */
  acquire(owner: string, signal: AbortSignal): Promise<Slot>;
}

export function createFairSlots({ total, perOwner }: FairSlotsOptions): FairSlots {
  const lines = new Map<string, Line>();
  let free = total;
  let round = 0;
  let waiting = 0;

  function lineOf(owner: string): Line {
    const line = lines.get(owner) ?? { waiters: [], held: 0, turn: round - ahead };
    lines.set(owner, line);
    // Turns that an owner didn't ask for are not saved up.
    if (line.waiters.length === 0) line.turn = Math.max(line.turn, round - ahead);
    return line;
  }

  function nextLine(): Line | undefined {
    let next: Line | undefined;
    for (const line of lines.values()) {
      if (line.waiters.length === 0 || line.held >= perOwner) continue;
      if (!next || line.turn < next.turn) next = line;
    }
    return next;
  }

  /** Who had more turns than others is of interest only while somebody waits. */
  function forgetIdle(): void {
    for (const [owner, line] of lines) if (line.held === 0 && line.waiters.length === 0) lines.delete(owner);
  }

  function grantNext(): void {
    while (free > 0) {
      const line = nextLine();
      const waiter = line?.waiters.shift();
      if (!line || !waiter) break;
      round = Math.max(round, line.turn);
      line.turn += 1;
      line.held += 1;
      free -= 1;
      waiting -= 1;
      waiter.grant();
    }
    if (waiting === 0) forgetIdle();
  }

  function createSlot(line: Line): Slot {
    let isHeld = true;
    const release = () => {
      if (!isHeld) return;
      isHeld = false;
      line.held -= 1;
      free += 1;
      grantNext();
    };
    return { release, [Symbol.dispose]: release };
  }

  return {
    acquire(owner, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const line = lineOf(owner);
        const onAbort = () => {
          line.waiters.splice(line.waiters.indexOf(waiter), 1);
          waiting -= 1;
          if (waiting === 0) forgetIdle();
          reject(signal.reason);
        };
        const waiter: Waiter = {
          grant: () => {
            signal.removeEventListener('abort', onAbort);
            resolve(createSlot(line));
          },
        };
        signal.addEventListener('abort', onAbort, { once: true });
        line.waiters.push(waiter);
        waiting += 1;
        grantNext();
      });
    },
  };
}
