import { randomUUID } from 'node:crypto';
import type { RefTargets } from '../../core/environments.ts';
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
  const isIt = (other: SourceEvent['repository'], branch: string) =>
    other.id === repository.id && `refs/heads/${branch}` === ref;
  for await (const each of sourceAccess.heads(isIt)) {
    signal.throwIfAborted();
    if (isIt(each.repository, each.branch)) return each.head === head ? each.actor : undefined;
  }
  return undefined;
}

/** Compares each branch that is deployed with the newest push accepted for it. What came in by webhook meanwhile is newer than what was read here. */
export async function recoverPushes(
  log: DeliveryLog,
  sourceAccess: SourceAccess,
  options: { refs: RefTargets; startedAfter: number; emit: (event: PushEvent) => void; signal: AbortSignal },
): Promise<void> {
  const { refs } = options;
  const heads = sourceAccess.heads(
    (repository, branch) => refs.forRef(`refs/heads/${branch}`, repository.defaultBranch).way === 'deploy',
  );
  for await (const { repository, branch, head, actor } of heads) {
    options.signal.throwIfAborted();
    const missed = { repository, scm: 'git', ref: `refs/heads/${branch}`, head, actor } as const;
    const newest = log.newest(repository, missed.scm, missed.ref);
    if (newest && newest.seq > options.startedAfter) continue;
    const event = missedPush(log, missed);
    if (event) options.emit(event);
  }
}
