import { ApiError } from '../data/api-client.ts';
import { formatPlace } from '../format/place.ts';
import { CopyButton } from './copy.tsx';
import { Icon } from './icon.tsx';

/** What failed, what to do, and the id to quote. */
export function ErrorNotice({ error, what, retry }: { error: unknown; what: string; retry?: () => void }) {
  const problem = error instanceof ApiError ? error.problem : {};
  const detail = error instanceof Error ? error.message : 'Unexpected error';
  return (
    <div class="notice bad" role="alert">
      <Icon name="failed" class="tone-bad" />
      <div class="notice-body">
        <p>
          <strong>{what}</strong> {problem.place && <code>{formatPlace(problem.place)}: </code>}
          {detail}
        </p>
        {problem.hint && <p>{problem.hint}</p>}
        {problem.requestId && (
          <p class="muted small">
            Request <code>{problem.requestId}</code>{' '}
            <CopyButton text={problem.requestId} label="Copy the request id" />
          </p>
        )}
        {retry && (
          <button type="button" class="button small" onClick={retry}>
            Try again
          </button>
        )}
      </div>
    </div>
  );
}
