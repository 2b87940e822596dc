import { useId, useState } from 'preact/hooks';
import type { HistoryEntry, ManifestDiff } from '../../../../core/manifest-writer.ts';
import { apiPaths, pagePaths } from '../../../../core/paths.ts';
import { Sha } from '../components/copy.tsx';
import { ErrorNotice } from '../components/error-notice.tsx';
import { Icon } from '../components/icon.tsx';
import { Skeleton } from '../components/page.tsx';
import { Age } from '../components/time.tsx';
import { getJson } from '../data/api-client.ts';
import { useResource } from '../data/resource.ts';
import { mayChange } from '../data/store.ts';
import { DiffView } from '../diff/diff-view.tsx';
import { Chips } from './history-chips.tsx';
import { kindWord, titleOf, whyNotRevert } from './history-words.ts';

interface RowProps {
  entry: HistoryEntry;
  head: HistoryEntry | undefined;
  /** The push whose log tells of this deploy, if it is still kept. */
  pushId: string | undefined;
  onRevert: () => void;
  /** Takes this rollback back; not given where there is none to take back. */
  onUndo: (() => void) | undefined;
}

type Comparison = 'before' | 'current';

function RowDiff({ entry, head }: { entry: HistoryEntry; head: HistoryEntry | undefined }) {
  const [against, setAgainst] = useState<Comparison>('before');
  const { owner, functionName, commit } = entry;
  const comparable = head !== undefined && head.commit !== commit;
  const query = against === 'current' && comparable ? { from: commit, to: head.commit } : { to: commit };
  const path = apiPaths.diff(owner, functionName, query);
  const { data, error, reload } = useResource(path, 0, (signal) => getJson<ManifestDiff>(path, signal));
  return (
    <div class="row-diff">
      {comparable && (
        <fieldset class="segments">
          <legend class="sr-only">Compare #{entry.number}</legend>
          <button type="button" aria-pressed={against === 'before'} onClick={() => setAgainst('before')}>
            What #{entry.number} changed
          </button>
          <button type="button" aria-pressed={against === 'current'} onClick={() => setAgainst('current')}>
            From #{entry.number} to the current #{head.number}
          </button>
        </fieldset>
      )}
      {error !== undefined && (
        <ErrorNotice error={error} what="The difference cannot be shown." retry={reload} />
      )}
      {!data && error === undefined && <Skeleton rows={2} />}
      {data && <DiffView diff={data} label={`Difference of #${entry.number}`} />}
    </div>
  );
}

export function HistoryRow({ entry, head, pushId, onRevert, onUndo }: RowProps) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const refused = whyNotRevert(entry, head);
  return (
    <li class="row history-row">
      <span class="number">#{entry.number}</span>
      <div class="cell-commit">
        <span class="subject-line">
          <span class="subject">{titleOf(entry)}</span>
          <Chips entry={entry} />
        </span>
        {entry.reason && <span class="reason">{entry.reason}</span>}
        <span class="meta">
          <span>{kindWord(entry)}</span>
          {entry.sourceCommit && (
            <span title="Source commit">
              <Icon name="branch" /> <Sha sha={entry.sourceCommit} of="source commit" />
            </span>
          )}
          <span title="Commit of the GitOps repository">
            <Icon name="commit" /> <Sha sha={entry.commit} of="GitOps commit" />
          </span>
          <span>{entry.actor ?? entry.author.name}</span>
          <Age time={entry.committedAt} />
        </span>
      </div>
      <div class="row-actions">
        <button
          type="button"
          class="button small"
          data-row
          aria-expanded={open}
          aria-controls={open ? id : undefined}
          onClick={() => setOpen(!open)}
        >
          <Icon name={open ? 'down' : 'right'} />
          Diff<span class="sr-only"> of #{entry.number}</span>
        </button>
        {pushId && (
          <a class="button small" href={pagePaths.push(entry.owner, pushId)}>
            Log<span class="sr-only"> of #{entry.number}</span>
          </a>
        )}
        {onUndo && (
          <button type="button" class="button small" onClick={onUndo}>
            <Icon name="forward" />
            Undo<span class="sr-only"> the rollback #{entry.number}</span>
          </button>
        )}
        {!entry.current && mayChange(entry.owner) && (
          <button
            type="button"
            class="button small"
            aria-disabled={refused !== undefined}
            title={refused}
            aria-description={refused}
            onClick={() => refused === undefined && onRevert()}
          >
            <Icon name="back" />
            Roll back<span class="sr-only"> to #{entry.number}</span>
          </button>
        )}
      </div>
      {open && (
        <div id={id} class="row-open">
          <RowDiff entry={entry} head={head} />
        </div>
      )}
    </li>
  );
}
