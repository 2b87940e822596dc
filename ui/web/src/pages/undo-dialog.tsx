import type { RevertResult } from '../../../../core/api.ts';
import type { HistoryEntry, ManifestDiff } from '../../../../core/manifest-writer.ts';
import { apiPaths } from '../../../../core/paths.ts';
import { ChangeDialog } from '../components/change-dialog.tsx';
import { ErrorNotice } from '../components/error-notice.tsx';
import { Skeleton } from '../components/page.tsx';
import { toast } from '../components/toast.tsx';
import { getJson, sendJson } from '../data/api-client.ts';
import { useResource } from '../data/resource.ts';
import { DiffView } from '../diff/diff-view.tsx';

interface UndoProps {
  entry: HistoryEntry;
  /** The state that comes back. */
  before: HistoryEntry;
  onClose: () => void;
}

/** Takes a rollback back: the function becomes what it was before it. */
export function UndoDialog({ entry, before, onClose }: UndoProps) {
  const { owner, functionName: name, environment } = entry;
  const path = apiPaths.diff(owner, name, { environment, from: entry.commit, to: before.commit });
  const diff = useResource(path, 0, (signal) => getJson<ManifestDiff>(path, signal));
  const send = async (reason: string) => {
    const body = { environment, commit: entry.commit, reason };
    const result = await sendJson<RevertResult>('POST', apiPaths.undo(owner, name), body);
    toast.value = {
      tone: 'ok',
      text: `${name} goes forward to #${before.number} again, as #${result.number}`,
    };
  };
  return (
    <ChangeDialog
      title={`Undo the rollback #${entry.number} of ${name}?`}
      words="Undo the rollback"
      busyWords="Undoing …"
      failed="The rollback was not undone."
      reasonExample="it was not the parser"
      wide
      send={send}
      onClose={onClose}
    >
      <p>
        One new commit makes the function what it was at #{before.number}. Nothing is rebuilt; the history
        stays.
      </p>
      <h3>
        What changes from #{entry.number} to #{before.number}
      </h3>
      {diff.error !== undefined && (
        <ErrorNotice error={diff.error} what="The difference cannot be shown." retry={diff.reload} />
      )}
      {!diff.data && diff.error === undefined && <Skeleton rows={3} />}
      {diff.data && <DiffView diff={diff.data} label="What undoing changes" />}
    </ChangeDialog>
  );
}
