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

/** A bounded number of places, given to owners in turn: however many one owner waits for, another's next is never far. */
export interface FairSlots {
  /** Rejects with the signal's reason if it aborts before a place is free. */
  acquire(owner: string, signal: AbortSignal): Promise<Slot>;
}

export function createFairSlots({ total, perOwner }: FairSlotsOptions): FairSlots {
  /** In the order of their turns: an owner that got a place goes to the end. */
  const waiting = new Map<string, Waiter[]>();
  const held = new Map<string, number>();
  let free = total;

  function change(owner: string, by: 1 | -1): void {
    free -= by;
    const count = (held.get(owner) ?? 0) + by;
    if (count === 0) held.delete(owner);
    else held.set(owner, count);
  }

  function nextOwner(): string | undefined {
    for (const owner of waiting.keys()) if ((held.get(owner) ?? 0) < perOwner) return owner;
    return undefined;
  }

  function grantNext(): void {
    while (free > 0) {
      const owner = nextOwner();
      if (owner === undefined) return;
      const queue = waiting.get(owner) ?? [];
      const waiter = queue.shift();
      waiting.delete(owner);
      if (queue.length > 0) waiting.set(owner, queue);
      change(owner, 1);
      waiter?.grant();
    }
  }

  function createSlot(owner: string): Slot {
    let isHeld = true;
    const release = () => {
      if (!isHeld) return;
      isHeld = false;
      change(owner, -1);
      grantNext();
    };
    return { release, [Symbol.dispose]: release };
  }

  function forget(owner: string, waiter: Waiter): void {
    const left = (waiting.get(owner) ?? []).filter((other) => other !== waiter);
    if (left.length === 0) waiting.delete(owner);
    else waiting.set(owner, left);
  }

  return {
    acquire(owner, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const onAbort = () => {
          forget(owner, waiter);
          reject(signal.reason);
        };
        const waiter: Waiter = {
          grant: () => {
            signal.removeEventListener('abort', onAbort);
            resolve(createSlot(owner));
          },
        };
        signal.addEventListener('abort', onAbort, { once: true });
        const queue = waiting.get(owner);
        if (queue) queue.push(waiter);
        else waiting.set(owner, [waiter]);
        grantNext();
      });
    },
  };
}
