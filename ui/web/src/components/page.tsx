import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { pagePaths } from '../../../../core/paths.ts';
import { loadRemovals, removalsByOwner, resets } from '../data/store.ts';

export interface Crumb {
  text: string;
  href?: string;
}

/** The trail of the page shown, for the top bar. */
export const crumbs = signal<Crumb[]>([]);

/** The first page keeps the browser's own focus; later ones move it to their heading. */
let pagesShown = 0;

interface PageProps {
  title: string;
  trail: Crumb[];
  /** Left of the heading's text. */
  heading?: ComponentChildren;
  actions?: ComponentChildren;
  tabs?: ComponentChildren;
  children: ComponentChildren;
}

/** A page's title, trail and heading; takes the focus when it appears. */
export function Page({ title, trail, heading, actions, tabs, children }: PageProps) {
  const h1 = useRef<HTMLHeadingElement>(null);
  const trailKey = JSON.stringify(trail);
  useEffect(() => {
    document.title = `${title} · Towline`;
  }, [title]);
  useEffect(() => {
    crumbs.value = trail;
  }, [trailKey]);
  useEffect(() => {
    pagesShown += 1;
    if (pagesShown > 1) h1.current?.focus({ preventScroll: true });
  }, [location.pathname]);
  return (
    <>
      <header class="page-head">
        <h1 ref={h1} tabIndex={-1}>
          {heading ?? trail.at(-1)?.text ?? title}
        </h1>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {tabs}
      {children}
    </>
  );
}

interface Tab {
  text: string;
  href: string;
  /** How much on that page waits for somebody, and what. */
  waits?: { count: number; what: string };
}

export function Tabs({ label, tabs, active }: { label: string; tabs: Tab[]; active: string }) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map(({ text, href, waits }) => (
        <a key={href} href={href} aria-current={text === active ? 'page' : undefined}>
          {text}
          {waits && waits.count > 0 && (
            <span class="count waits">
              {waits.count} <span class="sr-only">{waits.what}</span>
            </span>
          )}
        </a>
      ))}
    </nav>
  );
}

export function OwnerTabs({
  owner,
  active,
}: {
  owner: string;
  active: 'Functions' | 'Pushes' | 'Repositories';
}) {
  const removals = removalsByOwner.value.get(owner);
  useEffect(() => {
    const abort = new AbortController();
    // Without an answer no removal is shown; the platform's own refusal of a large one stands.
    loadRemovals(owner, abort.signal).catch(() => undefined);
    return () => abort.abort();
  }, [owner, resets.value]);
  const waiting = removals?.filter(({ state }) => state === 'waiting').length ?? 0;
  const tabs = [
    {
      text: 'Functions',
      href: pagePaths.owner(owner),
      waits: { count: waiting, what: waiting === 1 ? 'removal waits' : 'removals wait' },
    },
    { text: 'Pushes', href: pagePaths.pushes(owner) },
    { text: 'Repositories', href: reposPath(owner) },
  ];
  return <Tabs label={`Pages of ${owner}`} tabs={tabs} active={active} />;
}

export function reposPath(owner: string): string {
  return `${pagePaths.owner(owner)}/repos`;
}

/** Nothing for the first moments, then the shape of what is to come. */
export function Skeleton({ rows }: { rows: number }) {
  return (
    <div class="panel skeleton">
      <span class="sr-only">Loading</span>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} class="skeleton-row" />
      ))}
    </div>
  );
}
