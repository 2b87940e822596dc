import {
  type AuditAction,
  type AuditEvent,
  type AuditTrail,
  auditEvent,
  nameOfPerson,
} from '../../core/audit.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import type {
  PendingRemoval,
  PromoteIntent,
  RemovalAnswer,
  RemoveIntent,
  SecretsIntent,
  WriteOutcome,
} from '../../core/manifest-writer.ts';
import { pagePaths } from '../../core/paths.ts';
import type { Settled } from '../committing/queued-intent.ts';
import type { NewIntent } from './intent-log.ts';
import type { WriteIntent } from './write-intent.ts';

export interface WriterAudit {
  trail: AuditTrail;
  /** Of the dashboard, where more is to be seen. */
  origin?: string | undefined;
}

type Known = Parameters<typeof auditEvent>[0];
type Subject = Pick<Known, 'action' | 'actor'> & Partial<AuditEvent>;

const shownNames = 20;

/** `3 functions: a, b, c`. */
function functionsOf(names: readonly string[]): string {
  const more = names.length > shownNames ? ` and ${names.length - shownNames} more` : '';
  const count = names.length === 1 ? 'function' : 'functions';
  return `${names.length} ${count}: ${names.slice(0, shownNames).join(', ')}${more}`;
}

function ofRemove(intent: RemoveIntent, outcome: WriteOutcome): Subject | undefined {
  const { owner, environment = defaultEnvironment, reason, confirmedBy, scope, repo } = intent;
  const large = outcome.type === 'needs-confirmation';
  // What a push leaves out is told with its end.
  if (!large && !confirmedBy && scope === undefined) return undefined;
  const written = 'written' in outcome ? outcome.written.map(({ functionName }) => functionName) : undefined;
  const names = written ?? (large ? outcome.functionNames : intent.functionNames);
  const what = scope === 'tenant' ? owner : `${owner}/${repo}`;
  const target = names.length > 0 ? `${owner}, ${functionsOf(names)}` : what;
  const actor = nameOfPerson(confirmedBy ?? intent.actor);
  let action: AuditAction = confirmedBy ? 'confirm-removal' : 'remove';
  if (large) action = 'large-removal';
  return { action, actor, owner, environment, target, reason };
}

/** A tag's is told by the end of its deploy. */
function ofPromote({ owner, functionName, to, reason, actor, buildId }: PromoteIntent): Subject | undefined {
  if (buildId !== undefined) return undefined;
  return { action: 'promote', actor: nameOfPerson(actor), owner, functionName, environment: to, reason };
}

/** With each push that has any; those that changed nothing are no news. */
function ofSecrets(intent: SecretsIntent, { type }: WriteOutcome): Subject | undefined {
  const { owner, repo, environment = defaultEnvironment, sourceCommit, actor } = intent;
  if (type === 'unchanged') return undefined;
  const what = { owner, environment, target: `secrets of ${owner}/${repo}`, commit: sourceCommit };
  return { action: 'secrets', actor: nameOfPerson(actor), ...what };
}

function subjectOf({ kind, intent }: WriteIntent, outcome: WriteOutcome): Subject | undefined {
  switch (kind) {
    case 'revert':
    case 'undo':
    case 'hold':
    case 'resume': {
      const { owner, functionName, environment = defaultEnvironment, reason, actor } = intent;
      return { action: kind, actor: nameOfPerson(actor), owner, functionName, environment, reason };
    }
    case 'promote':
      return ofPromote(intent);
    case 'remove':
      return ofRemove(intent, outcome);
    case 'secrets':
      return ofSecrets(intent, outcome);
    default:
      // Deploys are told by whoever built them; what is released or withdrawn is one of them.
      return undefined;
  }
}

const results: Record<WriteOutcome['type'], string> = {
  pushed: 'committed',
  unchanged: 'unchanged',
  skipped: 'skipped',
  held: 'held',
  'needs-confirmation': 'waits',
  refused: 'refused',
  conflict: 'refused',
};

function whyOf(outcome: WriteOutcome): string | null {
  if (outcome.type === 'refused' || outcome.type === 'conflict') return outcome.message;
  return outcome.type === 'skipped' || outcome.type === 'held' ? outcome.reason : null;
}

/** `undefined`: it is told by others, or is nobody's doing. */
export function auditOfIntent(
  { id, kind, body }: NewIntent,
  outcome: WriteOutcome,
  { now, origin }: { now: number; origin?: string | undefined },
): AuditEvent | undefined {
  const subject = subjectOf({ kind, intent: body } as WriteIntent, outcome);
  if (!subject) return undefined;
  const { owner, functionName, reason } = subject;
  const why = [whyOf(outcome), reason].filter((text) => text !== null && text !== undefined && text !== '');
  const isOfFunction = owner && functionName;
  const path = isOfFunction ? pagePaths.deploys(owner, functionName) : undefined;
  return auditEvent({
    ...subject,
    ...{ id, time: now, result: results[outcome.type] },
    commit: 'commit' in outcome ? outcome.commit : (subject.commit ?? null),
    reason: why.length > 0 ? why.join('; ') : null,
    url: origin && path ? `${origin}${path}` : null,
  });
}

/** Records what became of intents. Told before that is kept, so that a death in between takes no event. */
export function auditIntents(
  audit: WriterAudit | undefined,
  settled: readonly Settled[],
  clock: () => number,
): void {
  if (!audit) return;
  const how = { now: clock(), origin: audit.origin };
  for (const { one, outcome } of settled) {
    const event = one.outcome === undefined ? auditOfIntent(one.kept, outcome, how) : undefined;
    if (event) audit.trail.record(event);
  }
}

/** Somebody said no to a large removal. */
export function auditRejection(
  { owner, environment = defaultEnvironment, functionNames, reason, askedAt }: PendingRemoval,
  { id, actor }: RemovalAnswer,
  now: number,
): AuditEvent {
  const what = { owner, environment, target: `${owner}, ${functionsOf(functionNames)}`, reason };
  const who = { actor: nameOfPerson(actor), action: 'reject-removal', result: 'done' } as const;
  return auditEvent({ ...who, ...what, id: `reject-removal:${id}:${askedAt}:${now}`, time: now });
}
