import type {
  ManifestWriter,
  PendingRemoval,
  RemovalAnswer,
  RemoveIntent,
  WriteOutcome,
} from '../../core/manifest-writer.ts';
import type { WaitingStore } from './waiting-store.ts';

const ended: ReadonlySet<WriteOutcome['type']> = new Set(['pushed', 'unchanged', 'conflict']);

export interface RemovalAnswersDeps {
  remove: (intent: RemoveIntent) => Promise<WriteOutcome>;
  onRejected: (removal: PendingRemoval, answer: RemovalAnswer) => void;
}

/** What people do about removals that wait for them. Owners only see and answer their own. */
export function removalAnswers(
  waiting: WaitingStore,
  { remove, onRejected }: RemovalAnswersDeps,
): Pick<ManifestWriter, 'removals' | 'confirmRemoval' | 'rejectRemoval'> {
  return {
    removals: async (ownerId) => waiting.removals(ownerId),
    async confirmRemoval({ id, ownerId, actor }) {
      const found = waiting.removal(id);
      if (found?.removal.ownerId !== ownerId) {
        return { type: 'refused', code: 'not_found', message: `no removal "${id}" waits for a confirmation` };
      }
      // Exactly what was shown goes, even if more would go by now.
      const { functionNames } = found.removal;
      const { scope: asked } = found.intent;
      const scope = asked === 'tenant' || asked === 'named' ? 'named' : 'functions';
      const result = await remove({ ...found.intent, functionNames, scope, confirmedBy: actor });
      // After a conflict it is another question, which whoever wants the removal asks anew.
      if (ended.has(result.type)) waiting.dropRemoval(id);
      return result;
    },
    async rejectRemoval(answer) {
      const { id, ownerId } = answer;
      const found = waiting.removal(id)?.removal;
      if (found?.ownerId !== ownerId) return false;
      waiting.rejectRemoval(id);
      onRejected(found, answer);
      return true;
    },
  };
}
