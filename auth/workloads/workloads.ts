import { randomUUID } from 'node:crypto';
import type { WorkloadBinding, Workloads } from '../../core/auth.ts';
import { TowlineError } from '../../core/errors.ts';
import type { BindingStore } from './binding-store.ts';
import type { TrustedIssuer } from './trusted-issuer.ts';
import type { WorkloadFacts } from './workload-claims.ts';
import type { WorkloadTokens } from './workload-tokens.ts';

export interface WorkloadsOptions {
  issuers: readonly TrustedIssuer[];
  tokens: WorkloadTokens;
  store: BindingStore;
  clock: () => number;
}

const maxBindingsPerOwner = 500;

/**
 * Every condition that the binding has, exactly. GitLab: a branch that is bound by name has to be protected, since
 * whoever may push to the project may make any other.
 */
function isMet(binding: WorkloadBinding, facts: WorkloadFacts): boolean {
  const { workload, environment, workflow } = facts;
  if (workload.scm === 'gitlab' && binding.ref !== null && !facts.isProtected) return false;
  const conditions: [string | null, string | null][] = [
    [binding.ref, workload.ref],
    [binding.environment, environment],
    [binding.workflow, workflow],
  ];
  return conditions.every(([wanted, actual]) => wanted === null || wanted === actual);
}

/** The rules over tokens and bindings: which owners a CI job works for. */
export function createWorkloads({ issuers, tokens, store, clock }: WorkloadsOptions): Workloads {
  return {
    async fromWorkloadToken(token) {
      const facts = await tokens.verify(token);
      if (!facts) return undefined;
      const { workload } = facts;
      const bindings = store.ofRepository(workload.issuer, workload.repository.id);
      const met = bindings.filter((binding) => isMet(binding, facts));
      return { ...workload, ownerIds: [...new Set(met.map(({ ownerId }) => ownerId))] };
    },
    issuers: async () => issuers.map(({ issuer, scm }) => ({ issuer, scm })),
    bindings: async (ownerId) => store.ofOwner(ownerId),
    async addBinding(request) {
      if (!issuers.some(({ issuer }) => issuer === request.issuer)) {
        throw new TowlineError('bad_request', 'this installation does not trust that issuer', {
          hint: `one of: ${issuers.map(({ issuer }) => issuer).join(', ') || 'none; an operator sets TOWLINE_CI_ISSUERS'}`,
        });
      }
      if (store.ofOwner(request.ownerId).length >= maxBindingsPerOwner) {
        throw new TowlineError('conflict', `an owner has at most ${maxBindingsPerOwner} bindings`);
      }
      const binding = { ...request, id: randomUUID(), createdAt: clock() };
      if (!store.add(binding)) throw new TowlineError('conflict', 'there is such a binding already');
      return binding;
    },
    removeBinding: async (ownerId, id) => store.remove(ownerId, id),
  };
}
