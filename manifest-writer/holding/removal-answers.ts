import type { ManifestWriter, RemoveIntent, WriteOutcome } from '../../core/manifest-writer.ts';
import type { WaitingStore } from './waiting-store.ts';

/** What people do about removals that wait for them. Owners only see and answer their own. */
export function removalAnswers(
  waiting: WaitingStore,
  remove: (intent: RemoveIntent) => Promise<WriteOutcome>,
): Pick<ManifestWriter, 'removals' | 'confirmRemoval' | 'rejectRemoval'> {
  return {
    removals: async (owner) => waiting.removals(owner),
    async confirmRemoval({ id, owner, actor }) {
      const found = waiting.removal(id);
      if (found?.removal.owner !== owner) {
        return { type: 'refused', code: 'not_found', message: `no removal "${id}" waits for a confirmation` };
      }
      // Exactly what was shown goes, even if more would go by now.
      const { functionNames } = found.removal;
      const scope = found.intent.scope === 'tenant' ? 'tenant' : 'functions';
      const result = await remove({ ...found.intent, functionNames, scope, confirmedBy: actor });
      if (result.type === 'pushed' || result.type === 'unchanged') waiting.dropRemoval(id);
      return result;
    },
    async rejectRemoval({ id, owner }) {
      if (waiting.removal(id)?.removal.owner !== owner) return false;
      waiting.rejectRemoval(id);
      return true;
    },
  };
}
