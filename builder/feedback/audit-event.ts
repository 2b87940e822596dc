import { type AuditAction, type AuditEvent, auditEvent, nameOfPerson } from '../../core/audit.ts';
import { type DeployRecord, isEnd, type PushRecord } from '../../core/deploy.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { pagePaths } from '../../core/paths.ts';
import type { Delivery } from '../deliveries/delivery-log.ts';

function actionOf(record: DeployRecord, push: PushRecord): AuditAction {
  if (record.state === 'removed') return 'remove';
  return push.ref.startsWith('refs/tags/') ? 'promote' : 'deploy';
}

/** Refused by a rule, not by what is built: worth another word. */
function resultOf({ state, cause }: DeployRecord): string {
  const refused = ['policy_refused', 'manifest_refused', 'name_taken', 'forbidden', 'image_forbidden'];
  return state === 'failed' && cause && refused.includes(cause.code) ? 'refused' : state;
}

/** Ends of deploys, and pushes that were left alone with the reason. */
export function auditOfPush(push: PushRecord, origin: string): AuditEvent[] {
  const common = {
    actor: nameOfPerson(push.actor),
    owner: push.owner,
    url: `${origin}${pagePaths.push(push.owner, push.id)}`,
  };
  const ended = push.deploys
    .filter(({ state }) => isEnd(state))
    .map((record) =>
      auditEvent({
        ...common,
        id: `${record.id}:${record.state}`,
        time: record.updatedAt,
        action: actionOf(record, push),
        result: resultOf(record),
        functionName: record.functionName,
        environment: record.environment ?? defaultEnvironment,
        commit: record.sourceCommit,
        reason: record.cause?.message ?? null,
      }),
    );
  if (push.state !== 'done' || push.deploys.length > 0 || push.note === null) return ended;
  const left = { id: `${push.id}:left`, time: push.updatedAt, action: 'push', result: 'skipped' } as const;
  return [auditEvent({ ...common, ...left, commit: push.after, reason: push.note })];
}

/** Who asked to build a push again, or to stop it. */
export function auditOfRequests(
  push: PushRecord,
  { origin: came, cancelledBy }: Pick<Delivery, 'origin' | 'cancelledBy'>,
  origin: string,
): AuditEvent[] {
  const common = {
    ...{ result: 'requested', owner: push.owner, commit: push.after },
    url: `${origin}${pagePaths.push(push.owner, push.id)}`,
  };
  const rebuild = { id: `${push.id}:rebuild`, time: push.createdAt, actor: nameOfPerson(push.actor) };
  const cancel = cancelledBy && {
    ...{ id: `${push.id}:cancel`, time: push.updatedAt, actor: nameOfPerson(cancelledBy) },
  };
  return [
    ...(came === 'rebuild' ? [auditEvent({ ...common, ...rebuild, action: 'rebuild' })] : []),
    ...(cancel ? [auditEvent({ ...common, ...cancel, action: 'cancel' })] : []),
  ];
}

/** What people did in git itself; of the rest whoever was asked for it tells. */
export function auditOfHistory(entry: HistoryEntry, origin: string): AuditEvent | undefined {
  const { kind, commit, owner, functionName, actor, author, reason } = entry;
  const { environment = defaultEnvironment } = entry;
  if (!entry.direct) return undefined;
  return auditEvent({
    id: `${commit}:${environment}:${owner}/${functionName}`,
    time: entry.committedAt,
    action: kind,
    result: 'committed directly in git',
    actor: actor ?? author.name,
    ...{ owner, functionName, environment, commit, reason },
    url: `${origin}${pagePaths.deploys(owner, functionName)}`,
  });
}
