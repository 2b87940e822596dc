import { z } from 'zod';
import { type DeployRecord, isEnd, type PushRecord } from '../../core/deploy.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { pagePaths } from '../../core/paths.ts';
import type { Delivery } from '../deliveries/delivery-log.ts';
import { oneLine } from './report-text.ts';

/** Who did what, and what came of it. */
export const AuditEvent = z.object({
  /** The same whenever it is told. */
  id: z.string(),
  /** Milliseconds since the epoch. */
  time: z.number(),
  /** `deploy`, `remove`, `promote`, `push`, `rebuild`, `cancel`, or what was done to the history: `revert`, `hold`, `resume` … */
  action: z.string(),
  result: z.string(),
  actor: z.string(),
  owner: z.string(),
  functionName: z.string().nullable(),
  environment: z.string(),
  /** Of the source, or of the GitOps repository. */
  commit: z.string(),
  reason: z.string().nullable(),
  url: z.string(),
});
export type AuditEvent = z.infer<typeof AuditEvent>;

function actionOf(record: DeployRecord, push: PushRecord): string {
  if (record.state === 'removed') return 'remove';
  return push.ref.startsWith('refs/tags/') ? 'promote' : 'deploy';
}

/** Refused by a rule, not by what is built: worth another word. */
function resultOf({ state, cause }: DeployRecord): string {
  const refused = ['policy_refused', 'manifest_refused', 'name_taken', 'forbidden', 'image_forbidden'];
  return state === 'failed' && cause && refused.includes(cause.code) ? 'refused' : state;
}

const who = ({ name, login }: PushRecord['actor']) => oneLine(login === '' ? name : login, 100);

/** Ends of deploys, and pushes that were left alone with the reason. */
export function auditOfPush(push: PushRecord, origin: string): AuditEvent[] {
  const common = {
    actor: who(push.actor),
    owner: push.owner,
    url: `${origin}${pagePaths.push(push.owner, push.id)}`,
  };
  const ended = push.deploys
    .filter(({ state }) => isEnd(state))
    .map((record) => ({
      ...common,
      id: `${record.id}:${record.state}`,
      time: record.updatedAt,
      action: actionOf(record, push),
      result: resultOf(record),
      functionName: record.functionName,
      environment: record.environment ?? defaultEnvironment,
      commit: record.sourceCommit,
      reason: record.cause === null ? null : oneLine(record.cause.message, 500),
    }));
  if (push.state !== 'done' || push.deploys.length > 0 || push.note === null) return ended;
  const left = { id: `${push.id}:left`, time: push.updatedAt, action: 'push', result: 'skipped' };
  const of = { functionName: null, environment: defaultEnvironment, commit: push.after };
  return [{ ...common, ...left, ...of, reason: oneLine(push.note, 500) }];
}

/** Who asked to build a push again, or to stop it. */
export function auditOfRequests(
  push: PushRecord,
  { origin: came, cancelledBy }: Pick<Delivery, 'origin' | 'cancelledBy'>,
  origin: string,
): AuditEvent[] {
  const common = {
    ...{ result: 'requested', owner: push.owner, functionName: null, environment: defaultEnvironment },
    ...{ commit: push.after, reason: null, url: `${origin}${pagePaths.push(push.owner, push.id)}` },
  };
  const rebuild = {
    id: `${push.id}:rebuild`,
    time: push.createdAt,
    action: 'rebuild',
    actor: who(push.actor),
  };
  const cancel = cancelledBy && {
    ...{ id: `${push.id}:cancel`, time: push.updatedAt, action: 'cancel', actor: who(cancelledBy) },
  };
  return [...(came === 'rebuild' ? [rebuild] : []), ...(cancel ? [cancel] : [])].map((each) => ({
    ...common,
    ...each,
  }));
}

/** What was done to the history; deploys and removals tell of themselves when they have ended. */
export function auditOfHistory(entry: HistoryEntry, origin: string): AuditEvent | undefined {
  const {
    kind,
    commit,
    owner,
    functionName,
    actor,
    author,
    reason,
    environment = defaultEnvironment,
  } = entry;
  if ((kind === 'deploy' || kind === 'remove') && !entry.direct) return undefined;
  return {
    id: `${commit}:${environment}:${owner}/${functionName}`,
    time: entry.committedAt,
    action: kind,
    result: entry.direct ? 'committed directly in git' : 'committed',
    actor: oneLine(actor ?? author.name, 100),
    ...{ owner, functionName, environment, commit },
    reason: reason === null ? null : oneLine(reason, 500),
    url: `${origin}${pagePaths.deploys(owner, functionName)}`,
  };
}

/** What Slack reads as a mention or a link is only text here. */
const plain = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** One line for people. */
export function auditText(event: AuditEvent): string {
  const { action, result, actor, owner, functionName, environment, reason, url } = event;
  const where = environment === defaultEnvironment ? '' : ` in ${environment}`;
  const what = functionName === null ? owner : `${owner}/${functionName}`;
  const why = reason === null ? '' : `: ${reason}`;
  return `${plain(`${action} of ${what}${where} by ${actor}: ${result}${why}`)} <${url}|details>`;
}
