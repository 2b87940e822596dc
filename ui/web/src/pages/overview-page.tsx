import { useEffect, useState } from 'preact/hooks';
import { useRoute } from 'preact-iso/router';
import type { FunctionSummary } from '../../../../core/api.ts';
import { pagePaths } from '../../../../core/paths.ts';
import { CopyButton, Sha } from '../components/copy.tsx';
import { functionHref, LastDeployNote, neverRan } from '../components/deploy-note.tsx';
import { ErrorNotice } from '../components/error-notice.tsx';
import { FilterField } from '../components/filter-field.tsx';
import { HoldNote } from '../components/hold-note.tsx';
import { Icon } from '../components/icon.tsx';
import { OwnerTabs, Page, Skeleton } from '../components/page.tsx';
import { useQueryState } from '../components/query-state.ts';
import { FunctionStatusMark } from '../components/status.tsx';
import { Age } from '../components/time.tsx';
import {
  countByFilter,
  type FunctionFilter,
  filtersOf,
  matchesText,
  sortFunctions,
} from '../data/reducers.ts';
import { functionsByOwner, loadFunctions, resets } from '../data/store.ts';
import { FirstFunction } from './first-function.tsx';
import { RemovalsNotice } from './removals-notice.tsx';

const filterWords: Record<FunctionFilter, string> = {
  all: 'All',
  failing: 'Failing',
  building: 'Building',
  asleep: 'Asleep',
  held: 'Held',
};

function FunctionRow({ row }: { row: FunctionSummary }) {
  const host = row.url.replace(/^https?:\/\//, '');
  return (
    <li class="row function-row">
      <div class="cell-status">
        <FunctionStatusMark status={row.status} />
        {row.status === 'Held' && row.serving !== 'Ready' && <FunctionStatusMark status={row.serving} />}
      </div>
      <div class="cell-name">
        <a class="name" data-row href={functionHref(row)}>
          {row.functionName}
        </a>
        {!neverRan(row) && (
          <span class="url">
            <a href={row.url} target="_blank" rel="noreferrer" title={`Open ${row.url}`}>
              {host}
            </a>
            <CopyButton text={row.url} label={`Copy the URL of ${row.functionName}`} />
          </span>
        )}
      </div>
      <div class="cell-commit">
        <span class="subject">{row.sourceSubject || 'No commit deployed yet'}</span>
        <span class="meta">
          {row.sourceCommit && <Sha sha={row.sourceCommit} of="source commit" />}
          <span>
            {row.repo}@{row.branch}
          </span>
          {row.author && <span>{row.author}</span>}
        </span>
      </div>
      <div class="cell-when">
        {row.number !== null && (
          <a href={pagePaths.deploys(row.owner, row.functionName)}>Deploy #{row.number}</a>
        )}
        {row.deployedAt !== null && <Age time={row.deployedAt} />}
      </div>
      {row.reason && row.serving !== 'Ready' && row.lastDeploy?.state !== 'failed' && (
        <p class="row-note warn">
          <Icon name="warning" class="tone-warn" />
          <span>{row.reason}</span>
        </p>
      )}
      {row.hold && <HoldNote summary={row} />}
      {row.lastDeploy && <LastDeployNote deploy={row.lastDeploy} serving={row.serving === 'Ready'} />}
    </li>
  );
}

interface FiltersProps {
  rows: FunctionSummary[];
  chosen: FunctionFilter;
  choose: (filter: FunctionFilter) => void;
}

function Filters({ rows, chosen, choose }: FiltersProps) {
  const counts = countByFilter(rows);
  const shown = (Object.keys(filterWords) as FunctionFilter[]).filter(
    (filter) => filter === 'all' || counts[filter] > 0 || filter === chosen,
  );
  return (
    <fieldset class="segments">
      <legend class="sr-only">Show functions by state</legend>
      {shown.map((filter) => (
        <button
          key={filter}
          type="button"
          aria-pressed={filter === chosen}
          class={filter === 'failing' ? 'failing' : ''}
          onClick={() => choose(filter)}
        >
          {filterWords[filter]} <span class="count">{counts[filter]}</span>
        </button>
      ))}
    </fieldset>
  );
}

function FunctionList({ rows }: { rows: FunctionSummary[] }) {
  const [text, setText] = useQueryState('q');
  const [status, setStatus] = useQueryState('status');
  const chosen = status in filterWords ? (status as FunctionFilter) : 'all';
  const shown = sortFunctions(rows).filter(
    (row) => filtersOf(row).includes(chosen) && matchesText(row, text),
  );
  const clear = () => {
    setText('');
    setStatus('');
  };
  return (
    <>
      <div class="toolbar">
        <Filters rows={rows} chosen={chosen} choose={(filter) => setStatus(filter === 'all' ? '' : filter)} />
        <FilterField label="Filter functions" text={text} setText={setText} />
      </div>
      {shown.length === 0 ? (
        <div class="panel blank">
          <p>No functions match{text ? ` “${text}”` : ` “${filterWords[chosen]}”`}.</p>
          <button type="button" class="button small" onClick={clear}>
            Clear the filter
          </button>
        </div>
      ) : (
        <ul class="panel rows" aria-label="Functions">
          {shown.map((row) => (
            <FunctionRow key={row.functionName} row={row} />
          ))}
        </ul>
      )}
    </>
  );
}

export function OverviewPage() {
  const owner = useRoute().params['owner'] ?? '';
  const rows = functionsByOwner.value.get(owner);
  const [error, setError] = useState<unknown>();
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    if (functionsByOwner.value.has(owner)) return;
    const abort = new AbortController();
    loadFunctions(owner, abort.signal).then(
      () => setError(undefined),
      (failure: unknown) => abort.signal.aborted || setError(failure),
    );
    return () => abort.abort();
  }, [owner, asked, resets.value]);
  const failing = rows ? countByFilter(rows).failing : 0;
  return (
    <Page
      title={failing > 0 ? `(${failing} failing) ${owner}` : owner}
      trail={[{ text: owner, href: pagePaths.owner(owner) }]}
      heading="Functions"
      actions={
        rows && rows.length > 0 ? (
          <a class="button primary" href={pagePaths.newFunction()}>
            <Icon name="plus" />
            New function
          </a>
        ) : undefined
      }
      tabs={<OwnerTabs owner={owner} active="Functions" />}
    >
      <RemovalsNotice owner={owner} />
      {!rows && error === undefined && <Skeleton rows={5} />}
      {!rows && error !== undefined && (
        <ErrorNotice
          error={error}
          what={`The functions of ${owner} cannot be shown.`}
          retry={() => setAsked((count) => count + 1)}
        />
      )}
      {rows?.length === 0 && <FirstFunction key={owner} owner={owner} />}
      {rows && rows.length > 0 && <FunctionList key={owner} rows={rows} />}
    </Page>
  );
}
