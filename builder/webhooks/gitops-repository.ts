import type { SourceEvent } from '../../core/source-event.ts';
import type { Outcome } from './translation.ts';

/** The repository that the platform itself commits to. Nothing of it is built. */
export interface GitOpsRepository {
  /** As git is given it: `https://…` or `ssh://…`. */
  url: string;
  /** Somebody pushed to it. Cheap, may be called often; losing one only costs time. */
  moved(commit: string): void;
}

/** Whether both name one repository: protocol, port and login differ between ways to it, the case doesn't count. */
function isSameRepository(one: string, other: string): boolean {
  const key = keyOf(one);
  return key !== undefined && key === keyOf(other);
}

function keyOf(text: string): string | undefined {
  const url = URL.parse(text);
  if (!url || url.hostname === '') return undefined;
  const path = url.pathname.replace(/\/+$/, '').replace(/\.git$/i, '');
  return `${url.hostname}${path}`.toLowerCase();
}

/** Of the configured GitOps repository; `undefined` for every other one. */
export type GitOpsPush = (id: string, cloneUrl: string, after: string) => Outcome[] | undefined;

export function gitOpsPushOf(repository: GitOpsRepository | undefined): GitOpsPush {
  return (id, cloneUrl, commit) =>
    repository && isSameRepository(repository.url, cloneUrl) ? [{ type: 'gitops', id, commit }] : undefined;
}

/** A push that no webhook told of, found by comparing branch heads, is recorded and not built. */
export function unlessOfGitOps(event: SourceEvent, repository: GitOpsRepository | undefined): SourceEvent {
  if (event.type !== 'push' || !repository) return event;
  if (!isSameRepository(repository.url, event.repository.cloneUrl)) return event;
  return { ...event, skipped: 'the GitOps repository is applied, not built' };
}
