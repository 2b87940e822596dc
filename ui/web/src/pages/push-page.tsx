import { useEffect, useRef, useState } from 'preact/hooks';
import { useLocation, useRoute } from 'preact-iso/router';
import type { DeployRecord, DeployStage, DeployStep, PushRecord } from '../../../../core/deploy.ts';
import { apiPaths, pagePaths } from '../../../../core/paths.ts';
import { announce } from '../components/announcer.tsx';
import { Sha } from '../components/copy.tsx';
import { Cause } from '../components/deploy-note.tsx';
import { ErrorNotice } from '../components/error-notice.tsx';
import { Icon, type IconName } from '../components/icon.tsx';
import { Page, Skeleton } from '../components/page.tsx';
import { DeployStateMark, PushStateMark, pushLook } from '../components/status.tsx';
import { Age } from '../components/time.tsx';
import { toast } from '../components/toast.tsx';
import { sendJson } from '../data/api-client.ts';
import { isFinished } from '../data/reducers.ts';
import { loadPush, pushesByOwner, resets } from '../data/store.ts';
import { shortRef } from '../format/commit.ts';
import { duration } from '../format/relative-time.ts';
import type { LogState } from '../log/log-source.ts';
import { LogView } from '../log/log-view.tsx';
import { pushTitle } from './push-row.tsx';

const stageNames: Record<DeployStage, string> = {
  queue: 'Queue',
  clone: 'Clone',
  detect: 'Detect',
  build: 'Build',
  commit: 'Commit',
  apply: 'Apply',
  live: 'Live',
};

/** Re-renders once a second while something runs, for the running step's seconds. */
function useSeconds(running: boolean): number {
  const [time, setTime] = useState(Date.now());
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setTime(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  return time;
}

type StepLook = { icon: IconName; tone: string; row: string };

function lookOf(deploy: DeployRecord, step: DeployStep): StepLook {
  if (deploy.state === 'failed' && step.stage === deploy.stage)
    return { icon: 'failed', tone: 'tone-bad', row: 'bad' };
  if (step.endedAt !== null) return { icon: 'ok', tone: 'tone-ok', row: '' };
  if (isFinished(deploy.state)) return { icon: 'skipped', tone: 'tone-idle', row: '' };
  return { icon: 'busy', tone: 'tone-busy spin', row: 'busy' };
}

function Step({ deploy, step, time }: { deploy: DeployRecord; step: DeployStep; time: number }) {
  const { icon, tone, row } = lookOf(deploy, step);
  const end = step.endedAt ?? (row === 'busy' ? Math.max(time, step.startedAt) : null);
  return (
    <li class={row}>
      <Icon name={icon} class={tone} />
      <span>{stageNames[step.stage]}</span>
      {row === 'bad' && <span class="sr-only">failed</span>}
      {end !== null && <span class="muted">{duration(end - step.startedAt)}</span>}
    </li>
  );
}

function Steps({ deploy }: { deploy: DeployRecord }) {
  const time = useSeconds(!isFinished(deploy.state));
  return (
    <ol class="steps" aria-label={`Steps of ${deploy.functionName ?? 'stack.yml'}`}>
      {deploy.steps.map((step) => (
        <Step key={`${step.stage} ${step.startedAt}`} deploy={deploy} step={step} time={time} />
      ))}
    </ol>
  );
}

function DeployCard({ deploy }: { deploy: DeployRecord }) {
  const { functionName, owner, cause, waiting } = deploy;
  return (
    <li class="row deploy-card">
      <div class="deploy-head">
        <DeployStateMark state={deploy.state} />
        {functionName === null ? (
          <strong>stack.yml</strong>
        ) : (
          <a class="name" href={pagePaths.function(owner, functionName)}>
            {functionName}
          </a>
        )}
        {deploy.number !== null && functionName !== null && (
          <a href={pagePaths.deploys(owner, functionName)}>Deploy #{deploy.number}</a>
        )}
        {deploy.gitopsCommit && (
          <span class="meta" title="Commit of the GitOps repository">
            <Icon name="commit" /> <Sha sha={deploy.gitopsCommit} of="GitOps commit" />
          </span>
        )}
      </div>
      <Steps deploy={deploy} />
      {cause && (
        <div class={`notice ${deploy.state === 'failed' ? 'bad' : ''}`}>
          <Icon
            name={deploy.state === 'failed' ? 'failed' : deploy.state === 'held' ? 'held' : 'skipped'}
            class={deploy.state === 'failed' ? 'tone-bad' : ''}
          />
          <div class="notice-body">
            <p>
              <Cause deploy={deploy} />
            </p>
            {cause.hint && <p class="muted">{cause.hint}</p>}
          </div>
        </div>
      )}
      {waiting !== undefined && (
        <p class="row-note">
          <Icon name="warning" class="tone-warn" />
          <span>Waits: {waiting}</span>
        </p>
      )}
      {deploy.warnings.map((warning) => (
        <p key={warning} class="row-note">
          <Icon name="warning" class="tone-warn" />
          <span>{warning}</span>
        </p>
      ))}
    </li>
  );
}

function RebuildButton({ push }: { push: PushRecord }) {
  const { route } = useLocation();
  const [busy, setBusy] = useState(false);
  const rebuild = async () => {
    setBusy(true);
    try {
      const started = await sendJson<{ id: string }>('POST', apiPaths.rebuild(push.id));
      toast.value = { tone: 'ok', text: 'The rebuild is queued' };
      route(pagePaths.push(push.owner, started.id));
    } catch (failure) {
      const why = failure instanceof Error ? failure.message : String(failure);
      toast.value = { tone: 'bad', text: `No rebuild: ${why}` };
    }
    setBusy(false);
  };
  if (push.state !== 'done' || /^0+$/.test(push.after)) return null;
  return (
    <button type="button" class="button" disabled={busy} onClick={rebuild}>
      Rebuild
    </button>
  );
}

function CancelButton({ push }: { push: PushRecord }) {
  const [busy, setBusy] = useState(false);
  const cancel = async () => {
    setBusy(true);
    try {
      await sendJson('POST', apiPaths.cancel(push.id));
      toast.value = { tone: 'ok', text: 'The push is being stopped' };
    } catch (failure) {
      const why = failure instanceof Error ? failure.message : String(failure);
      toast.value = { tone: 'bad', text: `Not stopped: ${why}` };
    }
    setBusy(false);
  };
  const isCommitted = ({ state, gitopsCommit }: DeployRecord) => isFinished(state) || gitopsCommit !== null;
  const nothingLeft = push.deploys.length > 0 && push.deploys.every(isCommitted);
  if (push.state === 'done' || push.ref === '' || nothingLeft) return null;
  return (
    <button type="button" class="button" disabled={busy} onClick={cancel}>
      Stop
    </button>
  );
}

function useEndAnnounced(push: PushRecord | undefined): void {
  const before = useRef<string | undefined>(undefined);
  useEffect(() => {
    if (push?.state === 'done' && before.current && before.current !== 'done') {
      announce(`The push ended: ${pushLook(push).word}`);
    }
    before.current = push?.state;
  }, [push?.state]);
}

/** How often the push went on after its end, which a resume makes it do: its log is followed anew then. */
function useReopened(state: PushRecord['state'] | undefined): number {
  const before = useRef(state);
  const times = useRef(0);
  if (before.current === 'done' && state === 'running') times.current += 1;
  before.current = state;
  return times.current;
}

function PushBody({ push }: { push: PushRecord }) {
  return (
    <>
      <p class="push-facts meta">
        <PushStateMark push={push} />
        {!/^0+$/.test(push.after) && <Sha sha={push.after} of="pushed commit" />}
        <span>
          <Icon name="branch" /> {push.repo}@{shortRef(push.ref)}
        </span>
        <span>{push.actor.name}</span>
        <Age time={push.createdAt} />
        {push.state === 'done' && <span>took {duration(push.updatedAt - push.createdAt)}</span>}
      </p>
      {push.note && (
        <div class="notice">
          <Icon name="skipped" />
          <div class="notice-body">
            <p>{push.note}</p>
          </div>
        </div>
      )}
      {push.deploys.length > 0 && (
        <ul class="panel rows" aria-label="Functions of this push">
          {push.deploys.map((deploy) => (
            <DeployCard key={deploy.id} deploy={deploy} />
          ))}
        </ul>
      )}
    </>
  );
}

function emptyWords(state: LogState): string {
  return state === 'ended' ? 'This push wrote no log.' : 'Waiting for the first line …';
}

export function PushPage() {
  const { owner = '', id = '' } = useRoute().params;
  const push = pushesByOwner.value.get(owner)?.find((each) => each.id === id);
  const [error, setError] = useState<unknown>();
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    loadPush(owner, id, abort.signal).then(
      () => setError(undefined),
      (failure: unknown) => abort.signal.aborted || setError(failure),
    );
    return () => abort.abort();
  }, [owner, id, asked, resets.value]);
  useEndAnnounced(push);
  const reopened = useReopened(push?.state);
  const title = push ? pushTitle(push) : 'Push';
  const running = push !== undefined && push.state !== 'done';
  return (
    <Page
      title={running ? `(${pushLook(push).word.toLowerCase()}) ${title}` : title}
      trail={[
        { text: owner, href: pagePaths.owner(owner) },
        { text: 'Pushes', href: pagePaths.pushes(owner) },
        {
          text: push
            ? push.after.startsWith('0000000')
              ? shortRef(push.ref)
              : push.after.slice(0, 7)
            : id.slice(0, 8),
        },
      ]}
      heading={title}
      actions={
        push && (
          <>
            <CancelButton push={push} />
            <RebuildButton push={push} />
          </>
        )
      }
    >
      {error !== undefined && (
        <ErrorNotice
          error={error}
          what="The push cannot be shown."
          retry={() => setAsked((count) => count + 1)}
        />
      )}
      {!push && error === undefined && <Skeleton rows={3} />}
      {push && <PushBody push={push} />}
      {push && (
        <LogView
          key={`${id} ${reopened}`}
          place={{
            stream: (last) => apiPaths.logStream(id, { after: last }),
            text: apiPaths.logText(id),
            fileName: `towline-${id}.log`,
          }}
          label="Build log"
          emptyWords={emptyWords}
          failed={push.state === 'done' && pushLook(push).tone === 'bad'}
        />
      )}
    </Page>
  );
}
