import type { CatalogEntry, RouteTarget } from '../../core/catalog.ts';
import type { DesiredFunction, ObservedDeployment, PodTrouble } from './observed-function.ts';

/** Everything the cluster says about one function. */
export interface FunctionView {
  desired: DesiredFunction;
  deployment: ObservedDeployment | undefined;
  trouble: PodTrouble | undefined;
  /** What was last seen rolled out, while something newer is on its way. */
  served: { image: string; sourceCommit: string } | undefined;
  targets: RouteTarget[];
}

type Verdict = Pick<CatalogEntry, 'status' | 'reason' | 'publicReason' | 'image' | 'targets' | 'since'>;

/** The view of a function as everybody who routes, follows or shows it has it. */
export function entryOf(view: FunctionView): CatalogEntry {
  const { desired, trouble } = view;
  return {
    owner: desired.owner,
    ownerId: desired.ownerId,
    functionName: desired.functionName,
    hold: desired.hold,
    desiredImage: desired.image,
    repo: desired.repo,
    branch: desired.branch,
    sourceCommit: view.served?.sourceCommit ?? desired.sourceCommit,
    restarts: trouble?.restarts ?? 0,
    ...verdictOf(view),
  };
}

function verdictOf(view: FunctionView): Verdict {
  const { desired, deployment, served, targets } = view;
  if (!deployment) return idle(desired.isDeleting ? 'Deleting' : 'Deploying');
  const isNewest = deployment.image === desired.image && deployment.isRolledOut;
  const image = isNewest ? desired.image : (served?.image ?? null);
  if (deployment.replicas === 0) return { ...idle('Asleep'), image };
  const serving = { image, targets, since: deployment.availableSince };
  if (desired.isDeleting) return { ...untroubled('Deleting'), ...serving };
  if (isNewest) return { ...untroubled('Ready'), ...serving };
  return deployment.available > 0 ? rolling(view, serving) : { ...stuckOrStarting(view), image: null };
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

function troubleOf({ trouble, deployment, desired }: FunctionView): string | undefined {
  if (trouble && trouble.image === desired.image) return oneLine(podWords(trouble));
  return deployment?.problem === undefined ? undefined : oneLine(deployment.problem);
}

const words: ReadonlyMap<string, string> = new Map([
  ['ErrImagePull', 'its image cannot be pulled'],
  ['ImagePullBackOff', 'its image cannot be pulled'],
  ['InvalidImageName', "its image's name is not valid"],
  ['CreateContainerConfigError', 'its container cannot be made'],
  ['CreateContainerError', 'its container cannot be made'],
  ['RunContainerError', 'its container cannot be started'],
  ['CrashLoopBackOff', 'it ends again and again'],
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
