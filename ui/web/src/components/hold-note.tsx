import type { FunctionSummary } from '../../../../core/api.ts';
import { pagePaths } from '../../../../core/paths.ts';
import { Icon } from './icon.tsx';
import { Age } from './time.tsx';

/** Who holds a function, since when and why, and what waits for its end. */
export function HoldNote({ summary }: { summary: FunctionSummary }) {
  const { hold, waiting } = summary;
  if (!hold) return null;
  return (
    <div class="row-note warn hold-note">
      <Icon name="held" class="tone-warn" />
      <div>
        <p>
          <strong>{hold.by === null ? 'Held in git' : `Held by ${hold.by}`}</strong>
          {hold.since !== null && (
            <>
              {' '}
              <Age time={hold.since} />
            </>
          )}
          {hold.reason && `: ${hold.reason}`}
        </p>
        <p>
          {waiting ? (
            <>
              Waits: <code>{waiting.sourceCommit.slice(0, 7)}</code> {waiting.sourceSubject} by{' '}
              {waiting.actor.name}{' '}
              <a href={pagePaths.push(waiting.owner, waiting.pushId)}>
                Log<span class="sr-only"> of the deploy of {waiting.functionName} that waits</span>
              </a>
            </>
          ) : (
            'Pushes are built and wait; what is live stays.'
          )}
        </p>
      </div>
    </div>
  );
}
