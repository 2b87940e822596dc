import { zeroSha } from '../../core/names.ts';
import type { Person } from '../../core/source-event.ts';
import type { HookOutput } from './hook-endpoint.ts';
import type { RefUpdate } from './hook-request.ts';
import { terminalLine } from './terminal-text.ts';

/** What was pushed to the GitOps repository, and by whom. */
export interface GitOpsPush {
  updates: RefUpdate[];
  actor: Person;
}

export interface GitOpsPushDeps {
  onGitOpsPush(push: GitOpsPush): void;
  /** Lines about what becomes of a push to the GitOps repository, until it is applied. */
  followGitOps?: ((push: GitOpsPush, signal: AbortSignal) => AsyncIterable<string>) | undefined;
}

const applied = 'refs/heads/main';

/** Has what a person pushed to the GitOps repository applied, and shows what becomes of it. */
export async function handleGitOpsPush(
  push: GitOpsPush,
  output: HookOutput,
  deps: GitOpsPushDeps,
): Promise<void> {
  const main = push.updates.find((update) => update.ref === applied && update.after !== zeroSha);
  if (!main) return output.line('Stored. Only main is applied.');
  deps.onGitOpsPush(push);
  output.line(`applying ${main.after.slice(0, 7)} …`);
  if (!deps.followGitOps) return;
  for await (const line of deps.followGitOps(push, output.signal)) output.line(terminalLine(line));
}
