import type { CatalogChange } from './catalog.ts';
import type { LogLine, PushRecord } from './deploy.ts';

/** What happens in the platform, for whoever watches: the dashboard, the pusher's terminal. */
export type PlatformEvent =
  | { type: 'push.changed'; ownerId: string; owner: string; push: PushRecord }
  | { type: 'log.line'; ownerId: string; owner: string; pushId: string; line: LogLine }
  | {
      type: 'function.changed';
      ownerId: string;
      owner: string;
      /** Not there if it is the default one. */
      environment?: string | undefined;
      change: CatalogChange;
    }
  | {
      type: 'history.changed';
      ownerId: string;
      owner: string;
      environment?: string | undefined;
      functionName: string;
      commit: string;
    }
  /** A deploy that was held waits no more: it was released, or something else took its place. */
  | { type: 'hold.ended'; ownerId: string; owner: string; functionName: string; buildId: string }
  /** A large removal began to wait for an answer, or got one. */
  | { type: 'removals.changed'; ownerId: string; owner: string }
  /** Others may have happened unheard: whoever keeps what events told of asks for all of it again. */
  | { type: 'events.missed' };

/** In-process publish and subscribe. Listeners are called synchronously and must not throw or block. */
export interface EventBus {
  publish(event: PlatformEvent): void;
  subscribe(listener: (event: PlatformEvent) => void): () => void;
}
