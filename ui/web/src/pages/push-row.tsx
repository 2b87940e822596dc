import type { PushRecord } from '../../../../core/deploy.ts';
import { pagePaths } from '../../../../core/paths.ts';
import { Sha } from '../components/copy.tsx';
import { Cause, stageWords } from '../components/deploy-note.tsx';
import { DeployStateMark, PushStateMark } from '../components/status.tsx';
import { Age } from '../components/time.tsx';
import { isFinished } from '../data/reducers.ts';
import { shortRef } from '../format/commit.ts';
import { duration } from '../format/relative-time.ts';

/** What was pushed, in words; a deletion of a branch or of a repository has no commit after it. */
export function pushTitle(push: PushRecord): string {
  const subject = push.deploys.find((deploy) => deploy.sourceSubject !== '')?.sourceSubject;
  if (subject) return subject;
  if (/^0+$/.test(push.after)) return `Deleted ${shortRef(push.ref) || push.repo}`;
  return `Push to ${shortRef(push.ref)}`;
}

export function PushRow({ push }: { push: PushRecord }) {
  return (
    <li class="row push-row">
      <div class="cell-status">
        <PushStateMark push={push} />
      </div>
      <div class="cell-commit">
        <a class="name" data-row href={pagePaths.push(push.owner, push.id)}>
          {pushTitle(push)}
        </a>
        <span class="meta">
          {!/^0+$/.test(push.after) && <Sha sha={push.after} of="pushed commit" />}
          <span>
            {push.repo}@{shortRef(push.ref)}
          </span>
          <span>{push.actor.name}</span>
        </span>
      </div>
      <div class="cell-when">
        <Age time={push.createdAt} />
        {push.state === 'done' && <span>took {duration(push.updatedAt - push.createdAt)}</span>}
      </div>
      {push.note && <p class="row-note">{push.note}</p>}
      {push.deploys.length > 0 && (
        <ul class="push-deploys" aria-label="Deploys of this push">
          {push.deploys.map((deploy) => (
            <li key={deploy.id}>
              {push.deploys.length > 1 && <DeployStateMark state={deploy.state} />}
              {deploy.functionName ? (
                <a href={pagePaths.function(deploy.owner, deploy.functionName)}>{deploy.functionName}</a>
              ) : (
                <span>stack.yml</span>
              )}
              <span class="muted">
                {(deploy.cause || deploy.state === 'failed') && <Cause deploy={deploy} />}
                {!isFinished(deploy.state) && stageWords[deploy.stage]}
              </span>
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}
