import { z } from 'zod';
import { defaultEnvironment } from './environments.ts';
import { oneLine } from './one-line.ts';
import type { Person } from './source-event.ts';

/** What people and forges do that somebody may have to answer for: docs/audit.md says when each is told. */
export const auditActions = [
  ...['deploy', 'remove', 'promote', 'push', 'rebuild', 'cancel', 'announce'],
  ...['revert', 'undo', 'hold', 'resume', 'secrets', 'tenant', 'edit'],
  ...['large-removal', 'confirm-removal', 'reject-removal'],
  ...['install', 'uninstall', 'suspend', 'unsuspend', 'accept-permissions'],
  ...['add-repository', 'remove-repository', 'rename-repository', 'change-visibility', 'edit-repository'],
  ...['rename-account', 'stranger'],
  ...[
    'login',
    'logout',
    'login-link',
    'create-owner',
    'create-token',
    'revoke-token',
    'bind-ci',
    'unbind-ci',
  ],
] as const;
export type AuditAction = (typeof auditActions)[number];

/** Who did what, and what came of it. */
export const AuditEvent = z.object({
  /** The same whenever it is told. */
  id: z.string(),
  /** Milliseconds since the epoch. */
  time: z.number(),
  action: z.string(),
  /** In a word or two: `live`, `refused`, `done` … */
  result: z.string(),
  actor: z.string(),
  /** Whose it is; `null`: nobody's here. */
  owner: z.string().nullable(),
  functionName: z.string().nullable(),
  /** What it was done to if that is no function: repositories, an account, a token by its name. */
  target: z.string().nullable(),
  environment: z.string().nullable(),
  /** Of the source, or of the GitOps repository. */
  commit: z.string().nullable(),
  reason: z.string().nullable(),
  /** How many times since the last that was told, where not each is. */
  count: z.number(),
  /** Where more about it is to be seen. */
  url: z.string().nullable(),
});
export type AuditEvent = z.infer<typeof AuditEvent>;

type Known = Pick<AuditEvent, 'id' | 'time' | 'result' | 'actor'> & { action: AuditAction };

const oneLineOrNull = (text: string | null | undefined, max: number) =>
  text === undefined || text === null ? null : oneLine(text, max);

/** What is not known of it is `null`; what people wrote becomes one short line. */
export function auditEvent(known: Known & Partial<AuditEvent>): AuditEvent {
  return {
    ...{ owner: null, functionName: null, environment: null, commit: null, count: 1, url: null },
    ...known,
    actor: oneLine(known.actor, 100),
    target: oneLineOrNull(known.target, 300),
    reason: oneLineOrNull(known.reason, 500),
  };
}

/** A person as an actor. */
export const nameOfPerson = ({ name, login }: Pick<Person, 'name' | 'login'>): string =>
  login === '' ? name : login;

/** Where what was done is kept for whoever is to be told of it. */
export interface AuditTrail {
  /** Kept when it returns; an id that was told changes nothing. Never throws: what is done is done. */
  record(event: AuditEvent): void;
}

/** For compositions that keep no trail. */
export const noAuditTrail: AuditTrail = { record: () => {} };

/** What Slack reads as a mention or a link is only text here. */
const plain = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function whatOf({ owner, functionName, target }: AuditEvent): string | null {
  if (functionName !== null) return owner === null ? functionName : `${owner}/${functionName}`;
  return target ?? owner;
}

/** One line for people. */
export function auditText(event: AuditEvent): string {
  const { action, result, actor, environment, reason, count, url } = event;
  const what = whatOf(event);
  const of = what === null ? '' : ` of ${what}`;
  const where = environment === null || environment === defaultEnvironment ? '' : ` in ${environment}`;
  const why = reason === null ? '' : `: ${reason}`;
  const times = count === 1 ? '' : `, ${count} times`;
  const link = url === null ? '' : ` <${url}|details>`;
  return `${plain(`${action}${of}${where} by ${actor}: ${result}${times}${why}`)}${link}`;
}
