import { useEffect, useRef, useState } from 'preact/hooks';
import type { FunctionDetail, RevertResult } from '../../../../core/api.ts';
import type { HistoryEntry } from '../../../../core/manifest-writer.ts';
import { apiPaths } from '../../../../core/paths.ts';
import { announce } from '../components/announcer.tsx';
import { Sha } from '../components/copy.tsx';
import { Icon } from '../components/icon.tsx';
import { toast } from '../components/toast.tsx';
import { getJson, sendJson } from '../data/api-client.ts';
import { duration } from '../format/relative-time.ts';
import { useRevision } from './function-frame.tsx';
import { type RevertStage, revertStage } from './history-words.ts';

interface ProgressProps {
  target: HistoryEntry;
  /** What was current before; undoing goes back there. */
  before: HistoryEntry | undefined;
  result: RevertResult;
  onClose: () => void;
}

/** Events tell at once; asking as well covers one that was lost. */
const askEveryMs = 1500;

function undo(before: HistoryEntry, expectedCommit: string): void {
  const { owner, functionName, commit, number } = before;
  const body = { toCommit: commit, reason: 'Undo of a rollback', expectedCommit };
  sendJson<RevertResult>('POST', apiPaths.revert(owner, functionName), body).then(
    (result) => {
      toast.value = {
        tone: 'ok',
        text: `${functionName} goes forward to #${number} again, as #${result.number}`,
      };
    },
    (error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      toast.value = { tone: 'bad', text: `The rollback was not undone: ${why}` };
    },
  );
}

function offerUndo({ target, before, result }: ProgressProps, live: boolean): void {
  const verb = live ? 'is back at' : 'goes back to';
  toast.value = {
    tone: 'ok',
    text: `${target.functionName} ${verb} #${target.number}, as #${result.number}`,
    ...(before?.present && { action: { words: 'Undo', run: () => undo(before, result.commit) } }),
  };
}

/** Follows the function until the platform serves what was asked for. */
function useStage({ target, result }: ProgressProps): {
  stage: RevertStage;
  detail: FunctionDetail | undefined;
} {
  const revision = useRevision(target.owner, target.functionName);
  const [detail, setDetail] = useState<FunctionDetail>();
  const [asked, setAsked] = useState(0);
  const stage = detail
    ? revertStage(
        { number: result.number, image: target.image },
        {
          status: detail.summary.serving,
          number: detail.summary.number,
          image: detail.entry?.image ?? null,
          desiredImage: detail.entry?.desiredImage ?? null,
        },
      )
    : 'committed';
  useEffect(() => {
    if (stage === 'live') return;
    const abort = new AbortController();
    getJson<FunctionDetail>(apiPaths.function(target.owner, target.functionName), abort.signal).then(
      (answer) => setDetail(answer),
      () => undefined,
    );
    const timer = setTimeout(() => setAsked(asked + 1), askEveryMs);
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [revision, asked, stage === 'live']);
  return { stage, detail };
}

const stages: RevertStage[] = ['committed', 'applied', 'live'];
const words: Record<RevertStage, string> = { committed: 'Committed', applied: 'Applied', live: 'Live' };

export function RevertProgress(props: ProgressProps) {
  const { target, result, onClose } = props;
  const { stage, detail } = useStage(props);
  const started = useRef(Date.now());
  const [took, setTook] = useState<number | null>(null);
  const done = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    done.current?.focus();
    offerUndo(props, false);
  }, []);
  useEffect(() => {
    if (stage !== 'live') return;
    setTook(Date.now() - started.current);
    announce(`${target.functionName} is live at number ${target.number}`);
    offerUndo(props, true);
  }, [stage]);
  const reached = stages.indexOf(stage);
  const trouble = detail && (detail.summary.serving === 'Failed' || detail.summary.serving === 'Degraded');
  return (
    <>
      <ol class="stages">
        {stages.map((each, index) => (
          <li key={each} class={index <= reached ? 'done' : ''}>
            <Icon
              name={index <= reached ? 'ok' : index === reached + 1 ? 'busy' : 'queued'}
              class={index <= reached ? 'tone-ok' : index === reached + 1 ? 'tone-busy spin' : ''}
            />
            {words[each]}
            {each === 'committed' && <Sha sha={result.commit} of="GitOps commit" />}
            {each === 'live' && took !== null && <span class="muted">{duration(took)}</span>}
          </li>
        ))}
      </ol>
      {result.unchanged && <p class="muted">The repository said so already: no new commit was needed.</p>}
      {trouble && (
        <div class="notice bad" role="alert">
          <Icon name="failed" class="tone-bad" />
          <div class="notice-body">
            <p>
              <strong>{detail.summary.serving}.</strong> {detail.summary.reason}
            </p>
          </div>
        </div>
      )}
      <footer class="dialog-foot">
        <span class="muted">{stage === 'live' ? '' : 'It goes on if you close this.'}</span>
        <button
          ref={done}
          type="button"
          class={`button ${stage === 'live' ? 'primary' : ''}`}
          onClick={onClose}
        >
          {stage === 'live' ? 'Done' : 'Close'}
        </button>
      </footer>
    </>
  );
}
