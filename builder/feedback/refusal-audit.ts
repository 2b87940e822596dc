import { type AuditTrail, nameOfPerson } from '../../core/audit.ts';
import { TowlineError } from '../../core/errors.ts';
import type { AnnouncedImage } from '../../core/images.ts';
import { createCountedAudit } from '../../runtime/audit/counted-audit.ts';

/** Records what the builder refuses at its door; of what is repeated, the number. */
export interface RefusalAudit extends Disposable {
  /** A webhook of an account that is no customer. */
  stranger(account: string): void;
  /** Rejects as the work does. */
  ofAnnouncement<T>(announced: AnnouncedImage, work: () => Promise<T>): Promise<T>;
}

export function createRefusalAudit(trail: AuditTrail, now: () => number): RefusalAudit {
  const strangers = createCountedAudit(trail, { now });
  const announcements = createCountedAudit(trail, { now });

  function refused({ owner, functionName, actor, commit }: AnnouncedImage, reason: string): void {
    const what = { owner, functionName, commit, reason };
    const who = { action: 'announce', result: 'refused', actor: nameOfPerson(actor) } as const;
    announcements.happened({ ...who, ...what });
  }

  return {
    stranger(account) {
      const what = { action: 'stranger', result: 'ignored', actor: account } as const;
      strangers.happened({ ...what, reason: 'a webhook of an account that is no customer' });
    },
    async ofAnnouncement(announced, work) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof TowlineError && error.code === 'forbidden') refused(announced, error.message);
        throw error;
      }
    },
    [Symbol.dispose]() {
      strangers[Symbol.dispose]();
      announcements[Symbol.dispose]();
    },
  };
}
