import type { ComponentChildren } from 'preact';
import type { FunctionDetail, FunctionSummary } from '../../../../core/api.ts';
import { apiPaths, pagePaths } from '../../../../core/paths.ts';
import { HoldNote } from '../components/hold-note.tsx';
import { Page, Tabs } from '../components/page.tsx';
import { getJson } from '../data/api-client.ts';
import { type Resource, useResource } from '../data/resource.ts';
import { functionsByOwner, me, revisions } from '../data/store.ts';
import { HoldButton } from './hold-button.tsx';

/** Changes whenever the function's detail or history may have. */
export function useRevision(owner: string, name: string): number {
  return revisions.value.get(`${owner}/${name}`) ?? 0;
}

export function useDetail(owner: string, name: string): Resource<FunctionDetail> {
  return useResource(`${owner}/${name}`, useRevision(owner, name), (signal) =>
    getJson<FunctionDetail>(apiPaths.function(owner, name), signal),
  );
}

interface FrameProps {
  owner: string;
  name: string;
  active: 'Overview' | 'Deploys' | 'Logs';
  /** As the page knows it; else as the list does. */
  summary?: FunctionSummary | undefined;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

/** Hold or resume, then what the page has to offer. */
function Actions({ summary, more }: { summary: FunctionSummary | undefined; more: ComponentChildren }) {
  return (
    <>
      {summary && <HoldButton summary={summary} />}
      {more}
    </>
  );
}

export function FunctionFrame({ owner, name, active, actions, children, ...props }: FrameProps) {
  const rows = functionsByOwner.value.get(owner);
  const summary = props.summary ?? rows?.find((row) => row.functionName === name);
  const trail = [
    { text: owner, href: pagePaths.owner(owner) },
    { text: name, href: pagePaths.function(owner, name) },
  ];
  const pages = [
    { text: 'Overview', href: pagePaths.function(owner, name) },
    { text: 'Deploys', href: pagePaths.deploys(owner, name) },
  ];
  if (me.value?.hasOutput) pages.push({ text: 'Logs', href: pagePaths.logs(owner, name) });
  if (active !== 'Overview') trail.push(...pages.filter(({ text }) => text === active));
  return (
    <Page
      title={active === 'Overview' ? `${owner}/${name}` : `${active} of ${owner}/${name}`}
      trail={trail}
      heading={active === 'Overview' ? name : `${active} of ${name}`}
      actions={<Actions summary={summary} more={actions} />}
      tabs={<Tabs label={`Pages of ${name}`} active={active} tabs={pages} />}
    >
      {summary?.hold && <HoldNote summary={summary} />}
      {children}
    </Page>
  );
}
