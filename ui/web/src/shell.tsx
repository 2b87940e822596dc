import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso/router';
import { pagePaths } from '../../../core/paths.ts';
import { Announcer, announce } from './components/announcer.tsx';
import { Dialog } from './components/dialog.tsx';
import { Icon, type IconName } from './components/icon.tsx';
import { Menu } from './components/menu.tsx';
import { crumbs, reposPath } from './components/page.tsx';
import { ToastRegion } from './components/toast.tsx';
import { connection } from './data/event-stream.ts';
import { countByFilter } from './data/reducers.ts';
import { functionsByOwner, me } from './data/store.ts';
import { clockTime } from './format/relative-time.ts';
import { listenForShortcuts, setShortcuts, shortcutHelp, shortcutsOn } from './shortcuts.ts';
import { nextTheme, type Theme, theme } from './theme.ts';

function OwnerSwitcher({ current, owners }: { current: string; owners: string[] }) {
  return (
    <Menu
      label={`Owner ${current}, switch to another`}
      text={
        <>
          {current} <Icon name="down" />
        </>
      }
    >
      {owners.map((owner) => (
        <a key={owner} href={pagePaths.owner(owner)} aria-current={owner === current ? 'true' : undefined}>
          {owner}
        </a>
      ))}
    </Menu>
  );
}

function Trail() {
  const owners = me.value?.owners ?? [];
  const trail = crumbs.value;
  return (
    <nav class="trail" aria-label="Breadcrumb">
      <ol>
        {trail.map((crumb, index) => {
          const last = index === trail.length - 1;
          if (index === 0 && owners.length > 1 && owners.includes(crumb.text)) {
            return (
              <li key={crumb.text}>
                <OwnerSwitcher current={crumb.text} owners={owners} />
              </li>
            );
          }
          return (
            <li key={`${index} ${crumb.text}`}>
              <a href={crumb.href ?? '#main'} aria-current={last ? 'page' : undefined}>
                {crumb.text}
              </a>
            </li>
          );
        })}
      </ol>
    </nav>
  );
}

function Activity() {
  let building = 0;
  for (const rows of functionsByOwner.value.values()) building += countByFilter(rows).building;
  if (building === 0) return null;
  return (
    <span class="activity status tone-busy">
      <Icon name="busy" class="spin" />
      {building} building
    </span>
  );
}

const themeIcons: Record<Theme, IconName> = { system: 'system', light: 'sun', dark: 'asleep' };

function ThemeToggle() {
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={`Theme: ${theme.value}; switch`}
      title={`Theme: ${theme.value}`}
      onClick={() => announce(`Theme: ${nextTheme()}`)}
    >
      <Icon name={themeIcons[theme.value]} />
    </button>
  );
}

function Account() {
  const identity = me.value?.identity;
  if (!identity) return null;
  return (
    <Menu
      label={`Account ${identity.owner}`}
      text={
        <>
          <Icon name="person" /> <span class="wide-only">{identity.owner}</span>
        </>
      }
    >
      <p class="menu-note">
        <strong>{identity.name}</strong>
        <span class="muted">{identity.email}</span>
        <span class="muted">
          {identity.role}, Towline {me.value?.version}
        </span>
      </p>
      <form method="post" action="/logout">
        <button type="submit">Log out</button>
      </form>
    </Menu>
  );
}

function ConnectionBanner() {
  const { state, since } = connection.value;
  return (
    <div role="status">
      {state === 'lost' && <p class="connection">Reconnecting, data from {clockTime(since)}</p>}
    </div>
  );
}

function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl class="shortcuts">
        {shortcutHelp.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(/\s+/).map((each) => (
                <kbd key={each}>{each}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={shortcutsOn.value}
          onChange={(event) => setShortcuts(event.currentTarget.checked)}
        />
        Single-key shortcuts are on
      </label>
    </Dialog>
  );
}

function useShortcuts(): void {
  const { route } = useLocation();
  useLayoutEffect(
    () =>
      listenForShortcuts((key) => {
        const shown = crumbs.value[0]?.text ?? '';
        const owner = me.value?.owners.includes(shown) ? shown : (me.value?.identity.owner ?? '');
        const pages: Record<string, string> = {
          f: pagePaths.owner(owner),
          p: pagePaths.pushes(owner),
          r: reposPath(owner),
          n: pagePaths.newFunction(),
        };
        const path = pages[key];
        if (path) route(path);
        return path !== undefined;
      }),
    [],
  );
}

/** What surrounds every page: top bar, connection, messages. */
export function Shell({ children }: { children: ComponentChildren }) {
  const [help, setHelp] = useState(false);
  useShortcuts();
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top-bar">
        <a class="brand" href="/" aria-label="Towline, home">
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <rect width="16" height="16" rx="4" />
            <path d="M3.5 5h9M8 5v6.5" />
            <circle cx="8" cy="11.6" r="1.3" />
          </svg>
          <span class="wide-only">Towline</span>
        </a>
        <Trail />
        <div class="top-tools">
          <Activity />
          <button
            type="button"
            class="icon-button"
            data-key="?"
            aria-label="Keyboard shortcuts"
            title="Keyboard shortcuts (?)"
            onClick={() => setHelp(true)}
          >
            <Icon name="help" />
          </button>
          <ThemeToggle />
          <Account />
        </div>
      </header>
      <ConnectionBanner />
      <main id="main" class="content">
        {children}
      </main>
      <Announcer />
      <ToastRegion />
      {help && <HelpDialog onClose={() => setHelp(false)} />}
    </>
  );
}
