import { randomUUID } from 'node:crypto';
import { zeroSha } from '../../core/names.ts';
import type { PushEvent, SourceEvent } from '../../core/source-event.ts';
import type { SourceAccess } from '../source/source-access.ts';
import type { DeliveryLog } from './delivery-log.ts';

/** Written as the author of what nobody told us about. */
const platform = { name: 'Towline', email: '', login: 'towline' };

export interface MissedPush {
  repository: SourceEvent['repository'];
  scm: SourceEvent['scm'];
  ref: string;
  head: string;
  /** Who pushed it, if that is known. */
  actor?: SourceEvent['actor'] | undefined;
}

/** The event that the webhook would have brought; `undefined` if the ref's newest delivery already says so. */
export function missedPush(log: DeliveryLog, missed: MissedPush): PushEvent | undefined {
  const { repository, scm, ref, head, actor = platform } = missed;
  const newest = log.newest(repository, scm, ref)?.event;
  const before = newest?.type === 'push' ? newest.after : zeroSha;
  if (before === head) return undefined;
  return {
    type: 'push',
    id: `recovered-${randomUUID()}`,
    scm,
    repository,
    actor,
    ref,
    before,
    after: head,
  };
}

/** Who made this commit the head of its branch, if the source knows; else the platform is named. */
export async function whoPushed(
  sourceAccess: SourceAccess,
  { repository, ref, head }: Pick<MissedPush, 'repository' | 'ref' | 'head'>,
  signal: AbortSignal,
): Promise<SourceEvent['actor'] | undefined> {
  for await (const each of sourceAccess.heads()) {
    signal.throwIfAborted();
    const isIt = each.repository.id === repository.id && `refs/heads/${each.branch}` === ref;
    if (isIt) return each.head === head ? each.actor : undefined;
  }
  return undefined;
}

/** Compares each branch with the newest push accepted for it. What came in by webhook meanwhile is newer than what was read here. */
export async function recoverPushes(
  log: DeliveryLog,
  sourceAccess: SourceAccess,
  options: { startedAfter: number; emit: (event: PushEvent) => void; signal: AbortSignal },
): Promise<void> {
  for await (const { repository, branch, head, actor } of sourceAccess.heads()) {
    options.signal.throwIfAborted();
    const missed = { repository, scm: 'git', ref: `refs/heads/${branch}`, head, actor } as const;
    const newest = log.newest(repository, missed.scm, missed.ref);
    if (newest && newest.seq > options.startedAfter) continue;
    const event = missedPush(log, missed);
    if (event) options.emit(event);
  }
}
