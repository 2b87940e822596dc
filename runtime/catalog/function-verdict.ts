import type { CatalogEntry, RouteTarget } from '../../core/catalog.ts';
import { type FunctionAccess, stricterAccess } from '../../core/function-access.ts';
import type { DesiredFunction } from './observed-function.ts';
import type { ObservedInstance, ObservedWorkload, PodTrouble } from './observed-workload.ts';

export interface ServedVersion {
  image: string;
  sourceCommit: string;
  access: FunctionAccess;
}

/** Everything the cluster says about one function. */
export interface FunctionView {
  desired: DesiredFunction;
  workload: ObservedWorkload | undefined;
  /** The one that does not run, if there is one. */
  troubled: ObservedInstance | undefined;
  /** What takes requests while something newer is on its way. */
  served: ServedVersion | undefined;
  /** What each instance that takes requests says of whose it takes. */
  readyAccess: readonly FunctionAccess[];
  targets: RouteTarget[];
}

type Verdict = Pick<CatalogEntry, 'status' | 'reason' | 'publicReason' | 'image' | 'targets' | 'since'>;

/** The view of a function as everybody who routes, follows or shows it has it. */
export function entryOf(view: FunctionView): CatalogEntry {
  const { desired, troubled } = view;
  const entry: CatalogEntry = {
    owner: desired.owner,
    ownerId: desired.ownerId,
    functionName: desired.functionName,
    hold: desired.hold,
    access: accessOf(view),
    desiredImage: desired.image,
    repo: desired.repo,
    branch: desired.branch,
    sourceCommit: view.served?.sourceCommit || desired.sourceCommit,
    restarts: troubled?.trouble?.restarts ?? 0,
    ...verdictOf(view),
  };
  return desired.drift === undefined ? entry : drifted(entry, oneLine(desired.drift));
}

/** Whether everything that runs is what the object asks for. */
export function isServed({ desired, workload }: Pick<FunctionView, 'desired' | 'workload'>): boolean {
  if (!workload?.isRolledOut || workload.image !== desired.image) return false;
  // A new version may have the same image; where both sides name their commit, it tells them apart.
  const commits = [workload.sourceCommit, desired.sourceCommit];
  return commits.includes('') || commits[0] === commits[1];
}

/** Of what is asked for and all that may answer meanwhile, what lets in fewest. */
function accessOf(view: FunctionView): FunctionAccess {
  const { desired, workload, served, readyAccess } = view;
  const wanted = stricterAccess(desired.access, workload?.access ?? 'public');
  if (isServed(view)) return wanted;
  const meanwhile = served === undefined ? readyAccess : [...readyAccess, served.access];
  // Something answers, and nobody can say which version: it may be one that was closed.
  if (meanwhile.length === 0 && (workload?.available ?? 0) > 0) return 'owner';
  return meanwhile.reduce(stricterAccess, wanted);
}

/** It is shown as it is; that git says something else is the first thing to know of it, if it has no worse trouble. */
function drifted(entry: CatalogEntry, drift: string): CatalogEntry {
  const isFine = entry.status === 'Ready' || (entry.status === 'Deploying' && entry.reason === null);
  const publicReason = 'it was changed by hand';
  if (isFine) return { ...entry, drift, status: 'Degraded', reason: drift, publicReason };
  return entry.reason === null ? { ...entry, drift, reason: drift, publicReason } : { ...entry, drift };
}

function verdictOf(view: FunctionView): Verdict {
  const { desired, workload, served, targets } = view;
  if (!workload) return idle(desired.isDeleting ? 'Deleting' : 'Deploying');
  const isNewest = isServed(view);
  const image = isNewest ? desired.image : (served?.image ?? null);
  if (workload.replicas === 0) return { ...idle('Asleep'), image };
  const serving = { image, targets, since: workload.availableSince };
  if (desired.isDeleting) return { ...untroubled('Deleting'), ...serving };
  if (isNewest) return { ...untroubled('Ready'), ...serving };
  return workload.available > 0 ? rolling(view, serving) : { ...stuckOrStarting(view), image: null };
}

/** Something is served, and something newer is not yet. */
function rolling(view: FunctionView, serving: Pick<Verdict, 'image' | 'targets' | 'since'>): Verdict {
  const why = troubleOf(view);
  if (why === undefined) return { ...untroubled('Deploying'), ...serving };
  return {
    status: 'Degraded',
    reason: `${why}; the version before still serves`,
    publicReason: 'its newest version did not start; an earlier one still serves',
    ...serving,
  };
}

function stuckOrStarting(view: FunctionView): Verdict {
  const why = troubleOf(view);
  if (why === undefined) return idle('Deploying');
  // One that has served before is being started again by the cluster.
  const status = view.served === undefined ? 'Failed' : 'Degraded';
  return { ...idle(status), reason: why, publicReason: 'its newest version did not start' };
}

function troubleOf({ troubled, workload, desired }: FunctionView): string | undefined {
  if (troubled?.trouble && troubled.image === desired.image) return oneLine(podWords(troubled.trouble));
  return workload?.problem === undefined ? undefined : oneLine(workload.problem);
}

const words: ReadonlyMap<string, string> = new Map([
  ['ErrImagePull', 'its image cannot be pulled'],
  ['ImagePullBackOff', 'its image cannot be pulled'],
  ['InvalidImageName', "its image's name is not valid"],
  ['CreateContainerConfigError', 'its container cannot be made'],
  ['CreateContainerError', 'its container cannot be made'],
  ['RunContainerError', 'its container cannot be started'],
  ['CrashLoopBackOff', 'it ends again and again'],
  ['Unschedulable', 'no node of the cluster can take it'],
]);

function podWords({ reason, message }: PodTrouble): string {
  const what = words.get(reason) ?? reason;
  return message === '' ? what : `${what}: ${message}`;
}

function idle(status: CatalogEntry['status']): Verdict {
  return { ...untroubled(status), image: null, targets: [], since: null };
}

function untroubled(status: CatalogEntry['status']): Pick<Verdict, 'status' | 'reason' | 'publicReason'> {
  return { status, reason: null, publicReason: null };
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, 500);
}
