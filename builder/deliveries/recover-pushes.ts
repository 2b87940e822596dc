import { randomUUID } from 'node:crypto';
import type { RefTargets } from '../../core/environments.ts';
import { zeroSha } from '../../core/names.ts';
import type { PushEvent, SourceEvent } from '../../core/source-event.ts';
import { delay } from '../../runtime/lifecycle.ts';
import { wasSuspended } from '../installations/forge-names.ts';
import { chainEnd, isPassedOver as leadsPast } from '../queue/chain.ts';
import type { KnownRepository, SourceAccess } from '../source/source-access.ts';
import type { DeliveryLog, RefOf } from './delivery-log.ts';

/** Written as the author of what nobody told us about. */
const platform = { name: 'Towline', email: '', login: 'towline' };

/** Where a branch is, as its repository itself says. */
export interface SeenHead extends Pick<SourceEvent, 'repository' | 'scm' | 'installationId'> {
  ref: string;
  head: string;
  /** Who pushed it, if that is known. */
  actor?: SourceEvent['actor'] | undefined;
}

/** Pushes of a ref that are looked through for its chain. */
const chainDepth = 200;

/** Whether a push ended without its work because another one was taken for the newer. */
export type WasSuperseded = (id: string) => boolean;

async function pushesOf(log: DeliveryLog, at: RefOf): Promise<PushEvent[]> {
  const events = (await log.ofRef(at, chainDepth)).map(({ event }) => event);
  return events.filter((event) => event.type === 'push');
}

/** The push that the ref's chain ends with, whatever order they came in. */
export async function chainEndOf(log: DeliveryLog, at: RefOf): Promise<PushEvent | undefined> {
  return chainEnd(await pushesOf(log, at));
}

/** Whether all pushes from this one's commit to the head are known and deploy nothing. */
export async function isPassedOver(log: DeliveryLog, event: PushEvent, head: string): Promise<boolean> {
  return leadsPast(event.after, head, await pushesOf(log, event), ({ skipped }) => skipped !== undefined);
}

/** The event that the webhook would have brought; `undefined` if the ref's newest delivery already says so. */
export async function missedPush(
  log: DeliveryLog,
  seen: SeenHead,
  wasSuperseded: WasSuperseded = () => false,
): Promise<PushEvent | undefined> {
  const { repository, scm, ref, head, installationId, actor = platform } = seen;
  const pushes = await pushesOf(log, { repository, scm, ref });
  const end = chainEnd(pushes);
  const isThere = end?.after === head;
  // What was not deployed because nobody was served then is as good as missed; so is what was taken for an older push,
  // as can be where the branch was forced back and its chain is a ring.
  const isLost = () => pushes.every(({ id, after }) => after !== head || wasSuperseded(id));
  if (end && isThere && !wasSuspended(end) && !isLost()) return undefined;
  const before = (isThere ? end?.before : end?.after) ?? zeroSha;
  return {
    type: 'push',
    id: `recovered-${randomUUID()}`,
    ...{ scm, repository, actor, ref, before, after: head },
    ...(installationId === undefined ? {} : { installationId }),
  };
}

/** Who made this commit the head of its branch, if the source knows; else the platform is named. */
export async function whoPushed(
  sourceAccess: SourceAccess,
  { repository, ref, head, ...origin }: Omit<SeenHead, 'actor'>,
  signal: AbortSignal,
): Promise<SourceEvent['actor'] | undefined> {
  const isIt = (other: SourceEvent['repository'], branch: string) =>
    other.id === repository.id && `refs/heads/${branch}` === ref;
  for await (const each of sourceAccess.heads(isIt, { known: [{ repository, ...origin }], signal })) {
    signal.throwIfAborted();
    if (isIt(each.repository, each.branch)) return each.head === head ? each.actor : undefined;
  }
  return undefined;
}

export interface RecoveryOptions {
  known: readonly KnownRepository[];
  refs: RefTargets;
  emit: (event: PushEvent) => Promise<unknown>;
  wasSuperseded?: WasSuperseded | undefined;
  signal: AbortSignal;
}

/** Branches that are ahead of the newest push accepted for them. */
export interface MissedHeads {
  isEmpty: boolean;
  /** Whether every repository answered: else there may be more. */
  isWhole: boolean;
  /** Emits what is missed still once a webhook that is on its way, which takes up to `graceMs`, would have come. */
  recover(graceMs: number): Promise<void>;
}

export const noneMissed: MissedHeads = { isEmpty: true, isWhole: true, recover: async () => {} };

/** Compares each branch that is deployed with the newest push accepted for it. What came in by webhook meanwhile is newer than what was read here. */
export async function findMissed(
  log: DeliveryLog,
  sourceAccess: SourceAccess,
  { refs, signal, known, emit, wasSuperseded }: RecoveryOptions,
): Promise<MissedHeads> {
  const startedAfter = await log.lastSeq();
  const missed: SeenHead[] = [];
  let isWhole = true;
  const onNoAnswer = () => {
    isWhole = false;
  };
  const heads = sourceAccess.heads(
    (repository, branch) =>
      refs.forRef(`refs/heads/${branch}`, repository.defaultBranch, repository).way === 'deploy',
    { known, onNoAnswer, signal },
  );
  for await (const { branch, scm = 'git', ...found } of heads) {
    signal.throwIfAborted();
    const ref = `refs/heads/${branch}`;
    const [newest] = await log.ofRef({ repository: found.repository, scm, ref }, 1);
    if (newest && newest.seq > startedAfter) continue;
    const head = { ...found, scm, ref };
    if (await missedPush(log, head, wasSuperseded)) missed.push(head);
  }
  return {
    isEmpty: missed.length === 0,
    isWhole,
    async recover(graceMs) {
      if (missed.length > 0) await delay(graceMs, signal);
      for (const head of missed) {
        const event = await missedPush(log, head, wasSuperseded);
        if (event) await emit(event);
      }
    },
  };
}
