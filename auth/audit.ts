import { randomUUID } from 'node:crypto';
import { type AuditAction, type AuditTrail, auditEvent, nameOfPerson } from '../core/audit.ts';
import type { Accounts, Owner, Workloads } from '../core/auth.ts';
import type { Person } from '../core/source-event.ts';

export interface AuditDeps {
  trail: AuditTrail;
  ownerById(id: string): Owner | undefined;
  clock: () => number;
}

export type RecordChange = (
  action: AuditAction,
  what: { ownerId: string; target?: string; by?: Person | 'self' | undefined },
) => void;

const nameOf = (by: Person | undefined) => (by ? nameOfPerson(by) : 'operator');

/** Records what was done for an owner; without a person it was the platform's operator, who runs its commands. */
export function createChangeRecord({ trail, ownerById, clock }: AuditDeps): RecordChange {
  return (action, { ownerId, target, by }) => {
    const owner = ownerById(ownerId)?.slug ?? null;
    const actor = by === 'self' ? (owner ?? ownerId) : nameOf(by);
    const what = { action, result: 'done', actor, owner, target: target ?? null };
    trail.record(auditEvent({ ...what, id: randomUUID(), time: clock() }));
  };
}

type Changes = Pick<Accounts, 'createOwner' | 'createToken' | 'revokeToken'>;

/** The same, recorded when it is done. */
export function auditedAccounts<T extends Changes & Pick<Accounts, 'tokens'>>(
  accounts: T,
  record: RecordChange,
): T {
  const changes: Changes = {
    async createOwner(owner) {
      const made = await accounts.createOwner(owner);
      const target = `${made.slug} (${made.role})`;
      record('create-owner', { ownerId: made.id, target, by: owner.by });
      return made;
    },
    async createToken(request) {
      const made = await accounts.createToken(request);
      record('create-token', { ownerId: request.ownerId, target: request.name, by: request.by });
      return made;
    },
    async revokeToken(ownerId, id, by) {
      const name = (await accounts.tokens(ownerId)).find((token) => token.id === id)?.name;
      const isRevoked = await accounts.revokeToken(ownerId, id);
      if (isRevoked) record('revoke-token', { ownerId, target: name ?? id, by });
      return isRevoked;
    },
  };
  return { ...accounts, ...changes };
}

/** The same, recorded when it is done. */
export function auditedWorkloads(workloads: Workloads, record: RecordChange): Workloads {
  return {
    ...workloads,
    async addBinding(binding, by) {
      const made = await workloads.addBinding(binding);
      record('bind-ci', { ownerId: binding.ownerId, target: binding.repository, by });
      return made;
    },
    async removeBinding(ownerId, id, by) {
      const found = (await workloads.bindings(ownerId)).find((binding) => binding.id === id);
      const isRemoved = await workloads.removeBinding(ownerId, id);
      if (isRemoved) record('unbind-ci', { ownerId, target: found?.repository ?? id, by });
      return isRemoved;
    },
  };
}
