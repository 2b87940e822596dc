import { gitLabels } from '../../core/function-spec.ts';
import type { BranchHistory } from '../index/history-index.ts';
import { readFunction } from '../render/read-function.ts';

interface Asked {
  path: string;
  name: string;
  sourceCommit: string;
  current: string | null;
  /** The commit that an earlier deploy of the same source ended in. */
  answeredBy?: string | undefined;
}

/**
 * Why a re-run or a redelivery of `sourceCommit` is not taken: it was deployed to this file before, and something else
 * (a newer deploy, a revert, a removal) took its place.
 */
export function whyReplaced(history: BranchHistory, asked: Asked): string | undefined {
  const { path, name, sourceCommit, current } = asked;
  const present = sourceOf(current);
  if (present === sourceCommit) return undefined;
  if (!history.hasSource(path, sourceCommit) && !wasAnswered(asked, history)) return undefined;
  const was = `${sourceCommit.slice(0, 7)} of ${name} was deployed before`;
  if (current === null)
    return `${was} and the function was removed since; push a new commit to deploy it again`;
  const by = present ? ` by ${present.slice(0, 7)}` : '';
  return `${was} and replaced${by} since; push a new commit to deploy it again`;
}

/** Holding and resuming a function don't replace what it is. */
function wasAnswered({ answeredBy, path }: Asked, history: BranchHistory): boolean {
  if (answeredBy === undefined) return false;
  const recent = history.pageOfFile(path, { limit: 50 });
  const newest = recent.find(({ kind }) => kind !== 'hold' && kind !== 'resume');
  return newest !== undefined && newest.commit !== answeredBy;
}

function sourceOf(manifest: string | null): string | undefined {
  return manifest === null ? undefined : readFunction(manifest)?.metadata.labels[gitLabels.sha];
}
