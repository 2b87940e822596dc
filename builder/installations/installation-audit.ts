import { type AuditAction, type AuditEvent, auditEvent, nameOfPerson } from '../../core/audit.ts';
import type {
  InstallationChanged,
  InstallationEvent,
  RepositoryChanged,
  RepositoryRef,
} from '../../core/forge-events.ts';

/** What came of an event of a forge. `nobody`: it is about nobody who is served here. */
export interface EventResult {
  result: 'done' | 'outdated' | 'refused' | 'nobody';
  reason?: string | undefined;
}

const actionsOfInstallation: Record<InstallationChanged['change'], AuditAction> = {
  created: 'install',
  deleted: 'uninstall',
  suspended: 'suspend',
  unsuspended: 'unsuspend',
  'permissions-accepted': 'accept-permissions',
};

const actionsOfRepository: Record<RepositoryChanged['change'], AuditAction> = {
  renamed: 'rename-repository',
  privatized: 'change-visibility',
  publicized: 'change-visibility',
  edited: 'edit-repository',
};

const shownRepositories = 10;

/** `Acme/a, Acme/b and 38 more`. */
export function namesOf(repositories: readonly Pick<RepositoryRef, 'path'>[]): string {
  const shown = repositories.slice(0, shownRepositories).map(({ path }) => path);
  const more = repositories.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

type Subject = { action: AuditAction; target: string; why?: string | undefined };

function subjectOf(event: InstallationEvent): Subject {
  if (event.type === 'installation') {
    const { account } = event.installation;
    const { length } = event.repositories;
    const why = event.change === 'created' ? `with ${length} repositories` : undefined;
    return { action: actionsOfInstallation[event.change], target: account.path, why };
  }
  if (event.type === 'repositories') {
    const action = event.change === 'added' ? 'add-repository' : 'remove-repository';
    return { action, target: namesOf(event.repositories), why: event.reason };
  }
  if (event.type === 'account-renamed') {
    return { action: 'rename-account', target: event.account.path, why: `it was ${event.formerPath}` };
  }
  return { action: actionsOfRepository[event.change], target: event.repository.path, why: event.change };
}

/** What somebody did on the forge; `undefined`: to what is not served here. */
export function auditOfForgeEvent(
  event: InstallationEvent,
  { result, reason }: EventResult,
  { now, owner }: { now: number; owner: string | null },
): AuditEvent | undefined {
  if (result === 'nobody') return undefined;
  const { action, target, why } = subjectOf(event);
  const reasons = [why, reason].filter((text) => text !== undefined);
  return auditEvent({
    ...{ id: `${event.scm}:${event.id}`, time: now, action, result, target, owner },
    actor: nameOfPerson(event.actor),
    reason: reasons.length > 0 ? reasons.join('; ') : null,
  });
}
