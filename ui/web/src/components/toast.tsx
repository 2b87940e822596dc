import { signal } from '@preact/signals';
import { Icon } from './icon.tsx';

interface Toast {
  text: string;
  tone: 'ok' | 'bad';
  action?: { words: string; run: () => void };
}

/** Stays until it is dismissed or replaced: reading and undoing have no deadline. */
export const toast = signal<Toast | null>(null);

export function ToastRegion() {
  const shown = toast.value;
  return (
    <div class="toast-region" role="status">
      {shown && (
        <div class="toast">
          <Icon name={shown.tone === 'ok' ? 'ok' : 'failed'} class={`tone-${shown.tone}`} />
          <span>{shown.text}</span>
          {shown.action && (
            <button type="button" class="button small" onClick={shown.action.run}>
              {shown.action.words}
            </button>
          )}
          <button
            type="button"
            class="icon-button"
            aria-label="Dismiss"
            onClick={() => {
              toast.value = null;
            }}
          >
            <Icon name="close" />
          </button>
        </div>
      )}
    </div>
  );
}
