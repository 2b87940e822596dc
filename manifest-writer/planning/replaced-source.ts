import { gitLabels } from '../../core/function-spec.ts';
import type { BranchHistory } from '../index/history-index.ts';
import { readFunction } from '../render/read-function.ts';

/**
 * Why a re-run or a redelivery of `sourceCommit` is not taken: it was deployed to this file before, and something else
 * (a newer deploy, a revert, a removal) took its place.
 */
export function whyReplaced(
  history: BranchHistory,
  asked: { path: string; name: string; sourceCommit: string; current: string | null },
): string | undefined {
  const { path, name, sourceCommit, current } = asked;
  const present = sourceOf(current);
  if (present === sourceCommit || !history.hasSource(path, sourceCommit)) return undefined;
  const was = `${sourceCommit.slice(0, 7)} of ${name} was deployed before`;
  if (current === null)
    return `${was} and the function was removed since; push a new commit to deploy it again`;
  const by = present ? ` by ${present.slice(0, 7)}` : '';
  return `${was} and replaced${by} since; push a new commit to deploy it again`;
}

function sourceOf(manifest: string | null): string | undefined {
  return manifest === null ? undefined : readFunction(manifest)?.metadata.labels[gitLabels.sha];
}
