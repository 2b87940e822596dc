import type { EventBus, PlatformEvent } from '../core/events.ts';

/** Publish and subscribe inside one process. */
export function createEventBus(): EventBus {
  const listeners = new Set<(event: PlatformEvent) => void>();
  return {
    publish(event) {
      for (const listener of [...listeners]) listener(event);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
