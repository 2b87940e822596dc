import { signal } from '@preact/signals';

const key = 'towline-shortcuts';
const sequenceMs = 1000;

/** People who speak to their computer need single keys off (WCAG 2.1.4). */
export const shortcutsOn = signal(localStorage.getItem(key) !== 'off');

export function setShortcuts(on: boolean): void {
  shortcutsOn.value = on;
  localStorage.setItem(key, on ? 'on' : 'off');
}

export const shortcutHelp = [
  ['/', 'Filter'],
  ['g f', 'Functions'],
  ['g p', 'Pushes'],
  ['g r', 'Repositories'],
  ['g n', 'New function'],
  ['j  k', 'Next and previous row'],
  ['e', 'Log: jump to the end'],
  ['w', 'Log: wrap lines'],
  ['?', 'This help'],
] as const;

/** Elements that take part say so: `data-key="f"` is clicked or, if it is a field, focused. */
function activate(name: string): boolean {
  const element = document.querySelector<HTMLElement>(`[data-key="${CSS.escape(name)}"]`);
  if (!element) return false;
  if (element instanceof HTMLInputElement && element.type !== 'checkbox') element.focus();
  else element.click();
  return true;
}

function moveRow(step: 1 | -1): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')];
  if (rows.length === 0) return false;
  const at = rows.findIndex((row) => row.parentElement?.closest('li')?.contains(document.activeElement));
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step;
  rows[next]?.focus();
  return true;
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof Element &&
    target.closest('input:not([type=checkbox]), textarea, select, dialog') !== null
  );
}

/** Listens for the page's keys. */
export function listenForShortcuts(go: (sequence: string) => boolean): () => void {
  let leader = Number.NEGATIVE_INFINITY;
  const handled = (event: KeyboardEvent): boolean => {
    if (event.timeStamp - leader < sequenceMs) {
      leader = Number.NEGATIVE_INFINITY;
      return go(event.key);
    }
    if (event.key === 'g') {
      leader = event.timeStamp;
      return true;
    }
    if (event.key === 'j' || event.key === 'k') return moveRow(event.key === 'j' ? 1 : -1);
    return activate(event.key);
  };
  const onKey = (event: KeyboardEvent) => {
    if (!shortcutsOn.value || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target))
      return;
    if (handled(event)) event.preventDefault();
  };
  document.addEventListener('keydown', onKey);
  return () => document.removeEventListener('keydown', onKey);
}
