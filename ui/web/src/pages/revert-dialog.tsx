import { useEffect, useRef, useState } from 'preact/hooks';
import type { RevertResult } from '../../../../core/api.ts';
import type { HistoryEntry, ManifestDiff } from '../../../../core/manifest-writer.ts';
import { apiPaths } from '../../../../core/paths.ts';
import { announce } from '../components/announcer.tsx';
import { Dialog } from '../components/dialog.tsx';
import { ErrorNotice } from '../components/error-notice.tsx';
import { Icon } from '../components/icon.tsx';
import { Skeleton } from '../components/page.tsx';
import { ApiError, getJson, sendJson } from '../data/api-client.ts';
import { useResource } from '../data/resource.ts';
import { DiffView } from '../diff/diff-view.tsx';
import { RevertProgress } from './revert-progress.tsx';

interface RevertProps {
  target: HistoryEntry;
  head: HistoryEntry | undefined;
  reloadHistory: () => void;
  onClose: () => void;
}

/** The head when the dialog opened (or was shown anew after a conflict): what the person agrees to change. */
function useAgreedHead(head: HistoryEntry | undefined): [HistoryEntry | undefined, () => void] {
  const latest = useRef(head);
  latest.current = head;
  const [agreed, setAgreed] = useState(head);
  return [agreed, () => setAgreed(latest.current)];
}

export function RevertDialog({ target, head, reloadHistory, onClose }: RevertProps) {
  const { owner, functionName } = target;
  const [agreed, agreeToLatest] = useAgreedHead(head);
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [result, setResult] = useState<RevertResult | null>(null);
  const path = apiPaths.diff(owner, functionName, {
    ...(agreed && { from: agreed.commit }),
    to: target.commit,
  });
  const diff = useResource(path, 0, (signal) => getJson<ManifestDiff>(path, signal));
  const conflict = error instanceof ApiError && error.status === 409;
  useEffect(() => {
    // The newer history has arrived: show what would change now, and let the person agree to that.
    if (conflict && head && head.commit !== agreed?.commit) agreeToLatest();
  }, [conflict, head?.commit]);

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const body = { toCommit: target.commit, reason, expectedCommit: agreed?.commit };
      const sent = await sendJson<RevertResult>('POST', apiPaths.revert(owner, functionName), body);
      announce(`Committed ${sent.commit.slice(0, 7)}`);
      setResult(sent);
    } catch (failure) {
      setError(failure);
      if (failure instanceof ApiError && failure.status === 409) reloadHistory();
    }
    setBusy(false);
  };

  if (result) {
    return (
      <Dialog title={`Rolling ${functionName} back to #${target.number}`} onClose={onClose}>
        <RevertProgress target={target} before={agreed} result={result} onClose={onClose} />
      </Dialog>
    );
  }
  return (
    <Dialog title={`Roll ${functionName} back to #${target.number}?`} onClose={onClose} wide>
      <form onSubmit={submit}>
        <div class="dialog-body">
          <p>
            One new commit makes the function's code and configuration what they were at #{target.number}.
            Nothing is rebuilt; the history stays. Values of secrets are not part of it.
          </p>
          {conflict && (
            <div class="notice warn" role="alert">
              <Icon name="warning" class="tone-warn" />
              <div class="notice-body">
                <p>
                  <strong>{functionName} changed since you opened this.</strong> Below is what the rollback
                  would change now{agreed && <> (current is #{agreed.number})</>}. Nothing was rolled back
                  yet.
                </p>
              </div>
            </div>
          )}
          {error !== undefined && !conflict && <ErrorNotice error={error} what="Nothing was rolled back." />}
          <h3>What changes{agreed && ` from #${agreed.number} to #${target.number}`}</h3>
          {diff.error !== undefined && (
            <ErrorNotice error={diff.error} what="The difference cannot be shown." retry={diff.reload} />
          )}
          {!diff.data && diff.error === undefined && <Skeleton rows={3} />}
          {diff.data && <DiffView diff={diff.data} label="What the rollback changes" />}
        </div>
        <label class="field">
          <span>
            Reason <span class="muted">(optional, goes into the commit)</span>
          </span>
          <input
            type="text"
            maxLength={500}
            autocomplete="off"
            placeholder="500s on /pay"
            value={reason}
            onInput={(event) => setReason(event.currentTarget.value)}
          />
        </label>
        <footer class="dialog-foot">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={busy}>
            {busy ? 'Rolling back …' : `Roll back to #${target.number}`}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
