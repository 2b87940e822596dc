import type { FunctionAccess } from './function-access.ts';
import type { Hold } from './hold.ts';

/** The words for a function's state, the same in the dashboard, the CLI and the API. */
export const functionStatuses = [
  'Queued',
  'Building',
  'Deploying',
  'Ready',
  'Degraded',
  'Failed',
  'Asleep',
  'Held',
  'RolledBack',
  'Deleting',
] as const;
export type FunctionStatus = (typeof functionStatuses)[number];

/**
 * The status that people are shown, derived here alone: a hold is the first thing to know of a function, and what it
 * serves meanwhile is told beside it.
 */
export function shownStatus(serving: FunctionStatus, hold: Hold | null): FunctionStatus {
  return hold === null || serving === 'Deleting' ? serving : 'Held';
}

/** One running instance that takes requests. */
export interface RouteTarget {
  /** Origin only, as `http://127.0.0.1:21001`. Unique per started instance while it lives. */
  origin: string;
  /** Said as `Host` instead of the visitor's, where a gateway tells functions apart by it. */
  host?: string | undefined;
}

/** One function as the cluster (or the local supervisor) has it now. */
export interface CatalogEntry {
  owner: string;
  ownerId: string;
  functionName: string;
  /** Of what is served; a hold changes nothing about that and is told in `hold`. */
  status: FunctionStatus;
  /** Set while deploys of it wait. */
  hold: Hold | null;
  /** Whose requests it takes; of two versions the stricter. */
  access: FunctionAccess;
  /** Why it is Degraded or Failed, or why the last deploy isn't the one served. One line. */
  reason: string | null;
  /** The same for visitors: fixed words only, nothing that a program printed or a repository holds. `null` if `reason` is. */
  publicReason: string | null;
  /** What somebody changed in the cluster by hand, in one sentence; gone once the engine has put it right. */
  drift?: string | undefined;
  /** What is served now; `null` if nothing is. */
  image: string | null;
  /** What the GitOps repository asks for. */
  desiredImage: string;
  repo: string;
  branch: string;
  sourceCommit: string;
  /** Empty when Asleep, Failed or still Deploying for the first time. */
  targets: RouteTarget[];
  restarts: number;
  /** When the served version became ready; milliseconds since the epoch. */
  since: number | null;
}

export interface CatalogChange {
  owner: string;
  functionName: string;
  /** `undefined`: gone. */
  entry: CatalogEntry | undefined;
}

/** What keeps a catalog from seeing an owner's functions. */
export interface Unseen {
  /** For operators, in one line. */
  cause: string;
  /** Nothing of the owner was ever seen, so what is not found here may be there all the same. */
  isBlank: boolean;
}

/**
 * What the router routes by and what "live" is decided on: a synchronous, always-current view.
 * Adapters: the local supervisor, Kubernetes (runtime/catalog). Nothing here waits on the request path except `wake`.
 */
export interface FunctionCatalog {
  lookup(owner: string, functionName: string): CatalogEntry | undefined;
  /** Why the owner's functions may be others than those shown; absent where they can always be seen. */
  unseen?: ((owner: string) => Unseen | undefined) | undefined;
  hasOwner(owner: string): boolean;
  list(owner?: string): CatalogEntry[];
  /** Called synchronously, after the view has changed. Returns the way to unsubscribe. */
  subscribe(listener: (change: CatalogChange) => void): () => void;
  /** Starts an Asleep function and resolves once it takes requests. Throws `unavailable` with the reason. */
  wake(owner: string, functionName: string, signal: AbortSignal): Promise<CatalogEntry>;
  /** Told on every request, so that idle functions can be put to sleep. Must be cheap. */
  touch(owner: string, functionName: string): void;
}

/** What the router says about a function that the catalog doesn't have yet. */
export interface PendingDeploys {
  pending(
    owner: string,
    functionName: string,
    environment?: string,
  ): { status: FunctionStatus; reason: string; publicReason: string } | undefined;
}
