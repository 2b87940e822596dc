import type { GitOpsCommits } from '../../core/reconciler.ts';

/** Which of some heads contains the commit; a head that does is asked about once. */
export function containing(commits: GitOpsCommits, commit: string) {
  let known: string | undefined;
  return async (heads: readonly (string | undefined)[]): Promise<string | undefined> => {
    for (const head of heads) {
      if (head === undefined) continue;
      if (head === commit || head === known) return head;
      if (!(await commits.contains(head, commit).catch(() => false))) continue;
      known = head;
      return head;
    }
    return undefined;
  };
}
