import type { FollowTarget } from '../../core/reconciler.ts';
import type { ReflectorState } from '../../runtime/kubernetes/reflector.ts';
import { causeOf } from './apply-failure.ts';
import type { ObservedKustomization, ObservedSource } from './flux-objects.ts';

/** What there is to be seen of the way from the repository to a tenant's objects. */
export interface FluxView {
  /** Of the watch on Kustomizations. */
  state: ReflectorState;
  /** `<namespace>/<name>`. */
  kustomizationKey: string;
  kustomization: ObservedKustomization | undefined;
  /** The tenant's own artifact, if it has one. */
  artifact: ObservedSource | undefined;
  /** The repository that Flux fetches, if it does. */
  repository: { key: string; source: ObservedSource | undefined } | undefined;
}

/** Why a commit is not applied yet though it could be, in words; `undefined`: nothing is seen to be in its way. */
export function whyNotApplied(view: FluxView, target: FollowTarget): string | undefined {
  const { state, kustomization, kustomizationKey: key } = view;
  if (state.type === 'stale') return `what Flux does cannot be seen: ${state.cause}`;
  if (!kustomization) return `the cluster has no Kustomization ${key}: ${target.owner} is not set up there`;
  if (kustomization.isSuspended) return `the Kustomization ${key} is suspended: somebody has to resume it`;
  const source = whyNoSource(view);
  if (source !== undefined) return source;
  const { failure, progress } = kustomization;
  if (failure) return causeOf(failure, target).cause.message;
  return progress === undefined ? undefined : `Flux is not done yet: ${progress}`;
}

function whyNoSource({ artifact, repository }: FluxView): string | undefined {
  if (repository !== undefined) {
    const { key, source } = repository;
    if (!source) return `the cluster has no GitRepository ${key}`;
    if (source.isSuspended) return `the GitRepository ${key} is suspended: somebody has to resume it`;
    if (source.problem !== undefined) return `Flux cannot fetch the GitOps repository: ${source.problem}`;
  }
  return artifact?.problem === undefined ? undefined : `there is no new artifact: ${artifact.problem}`;
}
