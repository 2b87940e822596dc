import { signal } from '@preact/signals';

const message = signal('');

/** Tells people who do not see the page that something happened. */
export function announce(text: string): void {
  // The same words twice are read twice only if the region's text changes.
  message.value = message.value === text ? `${text}\u00a0` : text;
}

export function Announcer() {
  return (
    <div class="sr-only" role="status">
      {message}
    </div>
  );
}
