import { type Delivery, laneKey } from '../deliveries/delivery-log.ts';

export interface PersistentQueueDeps {
  /** May throw, as when the disk is full. */
  add: (delivery: Delivery) => void;
  /** Resolves when the next try, number `tries` + 1, may be made; rejects when the service stops. */
  wait: (tries: number) => Promise<void>;
  background: (work: Promise<void>) => void;
  /** What is given up stays pending: the next start takes it up. */
  onFault: (delivery: Delivery, error: unknown, isGivenUp: boolean) => void;
}

const maxTries = 10;

/**
 * Queues accepted deliveries: what can't be queued now is tried again, since nobody sends it a second time.
 * Meanwhile the later ones of its repository wait behind it, so that their order stays.
 */
export function createPersistentQueue(deps: PersistentQueueDeps): { add(delivery: Delivery): void } {
  const behind = new Map<string, Delivery[]>();

  function isAdded(delivery: Delivery, tries: number): boolean {
    try {
      deps.add(delivery);
      return true;
    } catch (error) {
      deps.onFault(delivery, error, tries >= maxTries);
      return false;
    }
  }

  async function addInOrder(key: string, waiting: Delivery[]): Promise<void> {
    let tries = 1;
    for (let next = waiting[0]; next; next = waiting[0]) {
      // The first one has just failed, and one that waited behind another has not been tried.
      if (tries > 0) await deps.wait(tries);
      tries += 1;
      if (!isAdded(next, tries) && tries < maxTries) continue;
      waiting.shift();
      tries = 0;
    }
    behind.delete(key);
  }

  return {
    add(delivery) {
      const key = laneKey(delivery.event);
      const waiting = behind.get(key);
      if (waiting) return void waiting.push(delivery);
      if (isAdded(delivery, 1)) return;
      const late = [delivery];
      behind.set(key, late);
      deps.background(addInOrder(key, late));
    },
  };
}
