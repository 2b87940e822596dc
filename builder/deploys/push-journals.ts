import type { Delivery } from '../deliveries/delivery-log.ts';
import type { PushJournal } from './push-journal.ts';

/** One journal per push, however many work with it at once: a push ends when the last of them has ended it. */
export interface PushJournals {
  open(delivery: Delivery): PushJournal;
  /** Resolves when the push's journal is not being closed: then it may be opened again. */
  closed(pushId: string): Promise<void>;
}

interface Shared {
  journal: PushJournal;
  users: number;
}

export function createPushJournals(create: (delivery: Delivery) => PushJournal): PushJournals {
  const opened = new Map<string, Shared>();
  const closing = new Map<string, Promise<void>>();

  async function close(pushId: string, journal: PushJournal, note: string | undefined): Promise<void> {
    opened.delete(pushId);
    const done = journal.end(note).finally(() => closing.delete(pushId));
    closing.set(
      pushId,
      done.catch(() => {}),
    );
    await done;
  }

  return {
    open(delivery) {
      const { id } = delivery.event;
      const shared = opened.get(id) ?? { journal: create(delivery), users: 0 };
      shared.users += 1;
      opened.set(id, shared);
      let isEnded = false;
      return {
        ...shared.journal,
        async end(note) {
          if (isEnded) return;
          isEnded = true;
          shared.users -= 1;
          if (shared.users === 0) await close(id, shared.journal, note);
        },
      };
    },
    async closed(pushId) {
      await closing.get(pushId);
    },
  };
}
