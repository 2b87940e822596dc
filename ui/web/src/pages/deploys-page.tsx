import { useEffect, useState } from 'preact/hooks';
import { useRoute } from 'preact-iso/router';
import type { HistoryEntry } from '../../../../core/manifest-writer.ts';
import { apiPaths } from '../../../../core/paths.ts';
import { ErrorNotice } from '../components/error-notice.tsx';
import { Skeleton } from '../components/page.tsx';
import { getJson } from '../data/api-client.ts';
import { useResource } from '../data/resource.ts';
import { loadPushes, mayChange, pushesByOwner } from '../data/store.ts';
import { FunctionFrame, useRevision } from './function-frame.tsx';
import { HistoryRow } from './history-row.tsx';
import { RevertDialog } from './revert-dialog.tsx';
import { UndoDialog } from './undo-dialog.tsx';

const pageSize = 50;

interface HistoryProps {
  owner: string;
  name: string;
  first: HistoryEntry[];
  onRevert: (entry: HistoryEntry) => void;
  onUndo: (entry: HistoryEntry, before: HistoryEntry) => void;
}

/** Older commits are asked for one page at a time; their differences only when a row is opened. */
function HistoryList({ owner, name, first, onRevert, onUndo }: HistoryProps) {
  const [older, setOlder] = useState<HistoryEntry[]>([]);
  const [complete, setComplete] = useState(false);
  const [error, setError] = useState<unknown>();
  const known = new Set(first.map((entry) => entry.commit));
  const rows = [...first, ...older.filter((entry) => !known.has(entry.commit))];
  const last = rows.at(-1);
  const more = async () => {
    if (!last) return;
    try {
      const query = { limit: pageSize, before: last.commit };
      const next = await getJson<HistoryEntry[]>(apiPaths.history(owner, name, query));
      setOlder([...older, ...next]);
      setComplete(next.length < pageSize);
      setError(undefined);
    } catch (failure) {
      setError(failure);
    }
  };
  const logs = new Map<string, string>();
  for (const push of pushesByOwner.value.get(owner) ?? []) {
    for (const deploy of push.deploys) {
      if (deploy.functionName !== name) continue;
      logs.set(deploy.id, push.id);
      if (deploy.gitopsCommit) logs.set(deploy.gitopsCommit, push.id);
    }
  }
  return (
    <>
      <ol class="panel rows" aria-label="Deploys, newest first">
        {rows.map((entry, index) => (
          <HistoryRow
            key={entry.commit}
            entry={entry}
            head={rows[0]}
            pushId={logs.get(entry.commit) ?? logs.get(entry.buildId ?? '')}
            onRevert={() => onRevert(entry)}
            onUndo={undoOf(entry, rows[index + 1], onUndo)}
          />
        ))}
      </ol>
      {error !== undefined && <ErrorNotice error={error} what="Older deploys cannot be shown." />}
      {first.length >= pageSize && !complete && (
        <button type="button" class="button" onClick={more}>
          Show older deploys
        </button>
      )}
    </>
  );
}

/** Only the newest commit can be taken back, and only a rollback is offered to be. */
function undoOf(
  entry: HistoryEntry,
  before: HistoryEntry | undefined,
  onUndo: HistoryProps['onUndo'],
): (() => void) | undefined {
  const isNewestRollback = entry.current && entry.kind === 'revert' && before?.present === true;
  if (!isNewestRollback || !mayChange(entry.owner)) return undefined;
  return () => onUndo(entry, before);
}

export function DeploysPage() {
  const { owner = '', fn: name = '' } = useRoute().params;
  const { data, error, reload } = useResource(
    `history of ${owner}/${name}`,
    useRevision(owner, name),
    (signal) => getJson<HistoryEntry[]>(apiPaths.history(owner, name, { limit: pageSize }), signal),
  );
  const [undoing, setUndoing] = useState<{ entry: HistoryEntry; before: HistoryEntry } | null>(null);
  const [reverting, setReverting] = useState<HistoryEntry | null>(null);
  useEffect(() => {
    // Only the links to logs come from it: without it they are missing, and nothing else.
    loadPushes(owner).catch(() => undefined);
  }, [owner]);
  return (
    <FunctionFrame owner={owner} name={name} active="Deploys">
      {error !== undefined && (
        <ErrorNotice error={error} what="The history cannot be shown." retry={reload} />
      )}
      {!data && error === undefined && <Skeleton rows={5} />}
      {data?.length === 0 && (
        <div class="panel blank">
          <p>{name} has never been deployed.</p>
        </div>
      )}
      {data && data.length > 0 && (
        <>
          <p class="muted intro">
            Every commit of the GitOps repository that touched <code>{`tenants/${owner}/${name}.yaml`}</code>,
            newest first.
          </p>
          <HistoryList
            key={`${owner}/${name}`}
            owner={owner}
            name={name}
            first={data}
            onRevert={setReverting}
            onUndo={(entry, before) => setUndoing({ entry, before })}
          />
        </>
      )}
      {undoing && <UndoDialog {...undoing} onClose={() => setUndoing(null)} />}
      {reverting && data && (
        <RevertDialog
          target={reverting}
          head={data[0]}
          reloadHistory={reload}
          onClose={() => setReverting(null)}
        />
      )}
    </FunctionFrame>
  );
}
