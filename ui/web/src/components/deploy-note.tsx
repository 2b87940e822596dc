import type { FunctionSummary } from '../../../../core/api.ts';
import type { DeployRecord, DeployStage } from '../../../../core/deploy.ts';
import { pagePaths } from '../../../../core/paths.ts';
import { isFinished } from '../data/reducers.ts';
import { formatPlace } from '../format/place.ts';
import { Icon } from './icon.tsx';
import { Age } from './time.tsx';

export const stageWords: Record<DeployStage, string> = {
  queue: 'queued',
  clone: 'cloning',
  detect: 'reading stack.yml',
  build: 'building',
  commit: 'committing',
  apply: 'starting',
  live: 'live',
};

const stageOrder = Object.keys(stageWords);

export function Cause({ deploy }: { deploy: DeployRecord }) {
  const { cause } = deploy;
  if (!cause) return <>failed at {stageWords[deploy.stage]}</>;
  return (
    <>
      {cause.place && <code>{formatPlace(cause.place)}</code>} {cause.message}
    </>
  );
}

/** Whether no version of it ever ran: it has no URL that answers, and none that is worth opening. */
export function neverRan({ serving, number, deployedAt }: FunctionSummary): boolean {
  return serving === 'Failed' && number === null && deployedAt === null;
}

/** The page of a function; of a name that no function can have, the push that had it. */
export function functionHref({ owner, functionName, lastDeploy }: FunctionSummary): string {
  if (lastDeploy?.cause?.code === 'name_invalid') return pagePaths.push(owner, lastDeploy.pushId);
  return pagePaths.function(owner, functionName);
}

/** The line under a function whose last deploy is not what is served: in progress, or failed. */
export function LastDeployNote({ deploy, serving }: { deploy: DeployRecord; serving: boolean }) {
  const log = pagePaths.push(deploy.owner, deploy.pushId);
  if (deploy.state === 'failed') {
    return (
      <p class="row-note bad">
        <Icon name="failed" class="tone-bad" />
        <span>
          <strong>{serving ? 'Ready, last deploy failed:' : 'Last deploy failed:'}</strong>{' '}
          <Cause deploy={deploy} />{' '}
          <span class="muted">
            (<Age time={deploy.updatedAt} />)
          </span>{' '}
          <a href={log}>
            Log<span class="sr-only"> of the failed deploy of {deploy.functionName}</span>
          </a>
        </span>
      </p>
    );
  }
  if (isFinished(deploy.state)) return null;
  const done = stageOrder.indexOf(deploy.stage) + 1;
  return (
    <p class="row-note busy">
      <Icon name="busy" class="tone-busy spin" />
      <span>
        {capital(stageWords[deploy.stage])} <code>{deploy.sourceCommit.slice(0, 7)}</code>{' '}
        {deploy.sourceSubject}
      </span>
      <progress value={done} max={stageOrder.length} aria-label={`Deploy of ${deploy.functionName}`} />
      <a href={log}>
        Log<span class="sr-only"> of the running deploy of {deploy.functionName}</span>
      </a>
    </p>
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
