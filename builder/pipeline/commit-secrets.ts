import type { WriteOutcome } from '../../core/manifest-writer.ts';
import { readRepositoryFile, whyUnreadable } from '../stack/repository-file.ts';
import { patiently } from './patiently.ts';
import { interruption, type PipelineContext, type PushTask, Superseded } from './pipeline-context.ts';
import { checkHead } from './workspace.ts';

const secretsFile = 'secrets.yml';

/** The text of the repository's `secrets.yml`, `null` if it has none, or why it cannot be read. */
export async function readSecretsFile(root: string): Promise<{ text: string | null } | { warning: string }> {
  const file = await readRepositoryFile(root, secretsFile);
  if (file.text !== undefined) return { text: file.text };
  if (file.why === 'missing') return { text: null };
  return { warning: `${secretsFile} ${whyUnreadable(file)}: the secrets stay as they are` };
}

/**
 * Makes the repository's secrets in the GitOps repository what `documents` says; `null`: there are none. Functions go
 * on either way; what is wrong comes back in words, for their records.
 */
export async function commitSecrets(
  task: PushTask,
  context: PipelineContext,
  documents: string | null,
  environment: string,
): Promise<string | undefined> {
  const { event } = task.delivery;
  const { owner, ownerId, name: repo } = event.repository;
  const sourceCommit = event.type === 'push' ? event.after : null;
  const where = { owner, ownerId, environment, repo };
  const intent = { ...where, sourceCommit, documents: documents ?? '', actor: event.actor };
  const signal = interruption(task, context);
  try {
    const outcome = await patiently(task, context, { stage: 'commit', signal }, async () => {
      if (event.type === 'push') await checkHead(task, context, event);
      task.superseded.throwIfAborted();
      return context.manifestWriter.secrets(intent, context.stopped);
    });
    return sayOutcome(task, outcome);
  } catch (error) {
    if (context.stopped.aborted) throw error;
    if (error instanceof Superseded) task.supersede(error);
    if (task.superseded.aborted) return undefined;
    context.logger.warn({ err: error, pushId: task.journal.pushId }, 'secrets could not be committed');
    return `${secretsFile} could not be committed; the next push tries again`;
  }
}

function sayOutcome({ journal }: PushTask, outcome: WriteOutcome): string | undefined {
  if (outcome.type === 'unchanged') return undefined;
  if (outcome.type === 'pushed') {
    const text = `secrets committed (gitops ${outcome.commit.slice(0, 7)})`;
    journal.say({ kind: 'phase', stage: 'commit', text });
    return undefined;
  }
  return 'message' in outcome ? outcome.message : outcome.reason;
}
