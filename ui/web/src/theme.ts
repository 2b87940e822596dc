import { signal } from '@preact/signals';

export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const key = 'towline-theme';

function stored(): Theme {
  const value = localStorage.getItem(key);
  return themes.find((theme) => theme === value) ?? 'system';
}

export const theme = signal<Theme>(stored());

export function applyTheme(): void {
  document.documentElement.dataset['theme'] = theme.value;
}

export function nextTheme(): Theme {
  const next = themes[(themes.indexOf(theme.value) + 1) % themes.length] ?? 'system';
  theme.value = next;
  localStorage.setItem(key, next);
  applyTheme();
  return next;
}
