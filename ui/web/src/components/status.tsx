import type { FunctionStatus } from '../../../../core/catalog.ts';
import type { DeployRecord, DeployState, PushRecord } from '../../../../core/deploy.ts';
import { isFinished } from '../data/reducers.ts';
import { Icon, type IconName } from './icon.tsx';

type Tone = 'ok' | 'bad' | 'busy' | 'warn' | 'idle';

interface Look {
  icon: IconName;
  tone: Tone;
  word: string;
}

const functionLooks: Record<FunctionStatus, Look> = {
  Queued: { icon: 'queued', tone: 'busy', word: 'Queued' },
  Building: { icon: 'busy', tone: 'busy', word: 'Building' },
  Deploying: { icon: 'busy', tone: 'busy', word: 'Deploying' },
  Ready: { icon: 'ok', tone: 'ok', word: 'Ready' },
  Degraded: { icon: 'warning', tone: 'warn', word: 'Degraded' },
  Failed: { icon: 'failed', tone: 'bad', word: 'Failed' },
  Asleep: { icon: 'asleep', tone: 'idle', word: 'Asleep' },
  Held: { icon: 'held', tone: 'warn', word: 'Held' },
  RolledBack: { icon: 'back', tone: 'ok', word: 'Rolled back' },
  Deleting: { icon: 'trash', tone: 'idle', word: 'Deleting' },
};

const deployLooks: Record<DeployState, Look> = {
  queued: { icon: 'queued', tone: 'busy', word: 'Queued' },
  building: { icon: 'busy', tone: 'busy', word: 'Building' },
  built: { icon: 'busy', tone: 'busy', word: 'Built' },
  committed: { icon: 'busy', tone: 'busy', word: 'Committed' },
  applied: { icon: 'busy', tone: 'busy', word: 'Starting' },
  live: { icon: 'ok', tone: 'ok', word: 'Live' },
  failed: { icon: 'failed', tone: 'bad', word: 'Failed' },
  superseded: { icon: 'skipped', tone: 'idle', word: 'Superseded' },
  skipped: { icon: 'skipped', tone: 'idle', word: 'Skipped' },
  held: { icon: 'held', tone: 'warn', word: 'Held' },
  removed: { icon: 'trash', tone: 'idle', word: 'Removed' },
};

function Status({ look }: { look: Look }) {
  const spins = look.icon === 'busy' ? 'spin' : '';
  return (
    <span class={`status tone-${look.tone}`}>
      <Icon name={look.icon} class={spins} />
      {look.word}
    </span>
  );
}

export function FunctionStatusMark({ status }: { status: FunctionStatus }) {
  return <Status look={functionLooks[status] ?? { icon: 'help', tone: 'idle', word: status }} />;
}

export function DeployStateMark({ state }: { state: DeployState }) {
  return <Status look={deployLooks[state] ?? { icon: 'help', tone: 'idle', word: state }} />;
}

/** The worst of a push's deploys; one that ended without any was skipped. */
export function pushLook(push: PushRecord): Look {
  const has = (wanted: (deploy: DeployRecord) => boolean) => push.deploys.some(wanted);
  if (push.state === 'queued') return deployLooks.queued;
  if (push.state === 'running') return { icon: 'busy', tone: 'busy', word: 'Running' };
  if (has((deploy) => deploy.state === 'failed')) return deployLooks.failed;
  if (has((deploy) => !isFinished(deploy.state))) return deployLooks.committed;
  return deployLooks[push.deploys[0]?.state ?? 'skipped'];
}

export function PushStateMark({ push }: { push: PushRecord }) {
  return <Status look={pushLook(push)} />;
}
