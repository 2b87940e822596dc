import { useEffect, useState } from 'preact/hooks';
import { useRoute } from 'preact-iso/router';
import { pagePaths } from '../../../../core/paths.ts';
import { ErrorNotice } from '../components/error-notice.tsx';
import { FilterField } from '../components/filter-field.tsx';
import { OwnerTabs, Page, Skeleton } from '../components/page.tsx';
import { useQueryState } from '../components/query-state.ts';
import { loadPushes, pushesByOwner } from '../data/store.ts';
import { PushRow, pushTitle } from './push-row.tsx';

function PushList({ owner }: { owner: string }) {
  const [text, setText] = useQueryState('q');
  const pushes = pushesByOwner.value.get(owner) ?? [];
  const wanted = text.toLowerCase();
  const shown = pushes.filter((push) =>
    [push.repo, push.ref, push.actor.name, push.after, push.note, pushTitle(push)]
      .concat(push.deploys.map((deploy) => deploy.functionName))
      .join(' ')
      .toLowerCase()
      .includes(wanted),
  );
  if (pushes.length === 0) {
    return (
      <div class="panel blank">
        <p>Nothing was pushed yet.</p>
        <a class="button small" href={pagePaths.newFunction()}>
          How to push a function
        </a>
      </div>
    );
  }
  return (
    <>
      <div class="toolbar">
        <p class="muted">Every push that arrived, also those that deployed nothing, with the reason.</p>
        <FilterField label="Filter pushes" text={text} setText={setText} />
      </div>
      {shown.length === 0 ? (
        <div class="panel blank">
          <p>No pushes match “{text}”.</p>
          <button type="button" class="button small" onClick={() => setText('')}>
            Clear the filter
          </button>
        </div>
      ) : (
        <ul class="panel rows" aria-label="Pushes">
          {shown.map((push) => (
            <PushRow key={push.id} push={push} />
          ))}
        </ul>
      )}
    </>
  );
}

export function PushesPage() {
  const owner = useRoute().params['owner'] ?? '';
  const [error, setError] = useState<unknown>();
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    loadPushes(owner, abort.signal).then(
      () => setError(undefined),
      (failure: unknown) => abort.signal.aborted || setError(failure),
    );
    return () => abort.abort();
  }, [owner, asked]);
  const known = pushesByOwner.value.has(owner);
  return (
    <Page
      title={`Pushes of ${owner}`}
      trail={[{ text: owner, href: pagePaths.owner(owner) }, { text: 'Pushes' }]}
      tabs={<OwnerTabs owner={owner} active="Pushes" />}
    >
      {error !== undefined && (
        <ErrorNotice
          error={error}
          what="The pushes cannot be shown."
          retry={() => setAsked((count) => count + 1)}
        />
      )}
      {known ? <PushList key={owner} owner={owner} /> : error === undefined && <Skeleton rows={5} />}
    </Page>
  );
}
