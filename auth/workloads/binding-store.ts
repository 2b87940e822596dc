import type { WorkloadBinding } from '../../core/auth.ts';

/** Which repositories' CI each owner trusts, durably. Adapters: SQLite; PostgreSQL. */
export interface BindingStore {
  /** `false`: there is one that says the same, or the owner is gone. */
  add(binding: WorkloadBinding): boolean;
  /** Whether there was such a binding of this owner. */
  remove(ownerId: string, id: string): boolean;
  /** Oldest first. */
  ofOwner(ownerId: string): WorkloadBinding[];
  /** Exactly this issuer's repository, of every owner that still exists. */
  ofRepository(issuer: string, repositoryId: string): WorkloadBinding[];
}
