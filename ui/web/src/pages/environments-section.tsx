import { useState } from 'preact/hooks';
import type { EnvironmentState, FunctionSummary, RevertResult } from '../../../../core/api.ts';
import { apiPaths } from '../../../../core/paths.ts';
import { ChangeDialog } from '../components/change-dialog.tsx';
import { Sha } from '../components/copy.tsx';
import { Icon } from '../components/icon.tsx';
import { FunctionStatusMark } from '../components/status.tsx';
import { Age } from '../components/time.tsx';
import { toast } from '../components/toast.tsx';
import { sendJson } from '../data/api-client.ts';
import { mayChange, me } from '../data/store.ts';
import { shortImage } from '../format/commit.ts';
import { RemoveDialog } from './remove-button.tsx';

interface PromoteProps {
  summary: FunctionSummary;
  from: EnvironmentState;
  states: EnvironmentState[];
  targets: string[];
  onClose: () => void;
}

function What({ state }: { state: EnvironmentState | undefined }) {
  const { current } = state ?? {};
  if (!current?.present || current.image === null) return <>nothing</>;
  return (
    <>
      #{current.number} <code title={current.image}>{shortImage(current.image)}</code>
    </>
  );
}

function PromoteDialog({ summary, from, states, targets, onClose }: PromoteProps) {
  const { owner, functionName: name } = summary;
  const [to, setTo] = useState(targets[0] ?? '');
  const target = states.find(({ environment }) => environment === to);
  const same = target?.current?.present === true && target.current.image === from.current?.image;
  const send = async (reason: string) => {
    const body = { from: from.environment, to, reason, commit: from.current?.commit };
    const result = await sendJson<RevertResult>('POST', apiPaths.promote(owner, name), body);
    const done = result.unchanged
      ? `${to} has it already`
      : `${name} is promoted to ${to}, as #${result.number}`;
    const warned = (result.warnings ?? []).map((warning) => `; ${warning}`).join('');
    toast.value = { tone: 'ok', text: `${done}${warned}` };
  };
  return (
    <ChangeDialog
      title={`Promote ${name} from ${from.environment}`}
      words={`Promote to ${to}`}
      busyWords="Promoting …"
      failed="Nothing was promoted."
      reasonExample="tested by the shop team"
      send={send}
      onClose={onClose}
    >
      <label class="field">
        <span>To</span>
        <select value={to} onChange={(event) => setTo(event.currentTarget.value)}>
          {targets.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      </label>
      <dl class="before-after">
        <dt>{to} has</dt>
        <dd>
          <What state={target} />
        </dd>
        <dt>and gets</dt>
        <dd>
          <What state={from} />
        </dd>
      </dl>
      <p class="muted">
        {same
          ? 'It is the same image; its configuration may differ.'
          : 'The same image and configuration, as one commit. Nothing is rebuilt.'}
      </p>
    </ChangeDialog>
  );
}

/** The others, the next one of the configuration's order first. */
function targetsAfter(all: readonly string[], from: string): string[] {
  const at = all.indexOf(from);
  return [...all.slice(at + 1), ...all.slice(0, Math.max(0, at))];
}

/** What each environment serves of a function, and the way from one to another. Nothing where there is only one. */
export function EnvironmentsSection(props: { summary: FunctionSummary; states: EnvironmentState[] }) {
  const { summary, states } = props;
  const [promoting, setPromoting] = useState<EnvironmentState>();
  const [removing, setRemoving] = useState<EnvironmentState>();
  const all = me.value?.environments ?? [];
  if (all.length < 2) return null;
  return (
    <section class="environments">
      <h2>Environments</h2>
      <ul class="panel rows" aria-label="Environments">
        {states.map((state) => (
          <li key={state.environment} class="row environment-row">
            <strong>{state.environment}</strong>
            <FunctionStatusMark status={state.status} />
            <span class="meta">
              {state.current?.present && (
                <>
                  <span>Deploy #{state.number ?? state.current.number}</span>
                  {state.sourceCommit && <Sha sha={state.sourceCommit} of="source commit" />}
                  {state.current.image && (
                    <code title={state.current.image}>{shortImage(state.current.image)}</code>
                  )}
                  <Age time={state.current.committedAt} />
                </>
              )}
              <a href={state.url} target="_blank" rel="noreferrer">
                Open<span class="sr-only"> {state.environment}</span>
              </a>
            </span>
            {state.current?.present && mayChange(summary.owner) && (
              <span class="row-actions">
                <button type="button" class="button small" onClick={() => setPromoting(state)}>
                  <Icon name="up" />
                  Promote<span class="sr-only"> from {state.environment}</span>
                </button>
                <button type="button" class="button small" onClick={() => setRemoving(state)}>
                  <Icon name="trash" />
                  Remove<span class="sr-only"> from {state.environment}</span>
                </button>
              </span>
            )}
          </li>
        ))}
      </ul>
      {promoting && (
        <PromoteDialog
          summary={summary}
          from={promoting}
          states={states}
          targets={targetsAfter(all, promoting.environment)}
          onClose={() => setPromoting(undefined)}
        />
      )}
      {removing && (
        <RemoveDialog
          of={{ ...summary, environment: removing.environment, url: removing.url }}
          onClose={() => setRemoving(undefined)}
        />
      )}
    </section>
  );
}
