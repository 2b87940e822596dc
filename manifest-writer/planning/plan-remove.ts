import type { RemoveIntent, WrittenFunction } from '../../core/manifest-writer.ts';
import { commitMessage } from '../message/commit-message.ts';
import { safeSignature } from '../message/ident.ts';
import { isFunction, manifestPath } from '../paths.ts';
import type { BranchView } from './branch-view.ts';
import { repositoryOf } from './claims.ts';
import { type Decision, outcome, type PlannedIntent, type PlanningContext } from './decision.ts';

/** One commit for all functions of the intent that still come from its repository. */
export function planRemove(intent: RemoveIntent, context: PlanningContext): PlannedIntent {
  const names = [...new Set(intent.functionNames)].filter((name) => isFunction(intent.owner, name)).sort();
  const paths = names.map((name) => manifestPath(intent.owner, name));
  return { paths, decide: (view) => decide(view, intent, context, names) };
}

async function decide(
  view: BranchView,
  intent: RemoveIntent,
  context: PlanningContext,
  names: string[],
): Promise<Decision> {
  const going: (WrittenFunction & { path: string })[] = [];
  for (const functionName of names) {
    const path = manifestPath(intent.owner, functionName);
    if (view.isPending(path)) return { type: 'later' };
    const text = await view.text(path);
    if (text === null || repositoryOf(text) !== intent.repo) continue;
    going.push({ functionName, path, number: await view.nextNumber(path) });
  }
  if (going.length === 0) return nothingToRemove(view, intent, names);
  return {
    type: 'commit',
    written: going.map(({ functionName, number }) => ({ functionName, number })),
    commit: {
      message: message(intent, going),
      author: safeSignature(intent.actor),
      committer: context.committer,
      time: context.now(),
      changes: going.map(({ path }) => ({ path, content: null })),
    },
  };
}

/** Asked again, or never deployed: the answer names the commits after which the functions were gone. */
async function nothingToRemove(view: BranchView, intent: RemoveIntent, names: string[]): Promise<Decision> {
  const written: WrittenFunction[] = [];
  let commit = view.head;
  for (const functionName of names) {
    const newest = (await view.history()).newest(manifestPath(intent.owner, functionName));
    if (newest?.after !== null) continue;
    if (written.length === 0) commit = newest.commit;
    written.push({ functionName, number: newest.number });
  }
  return outcome({ type: 'unchanged', commit, written });
}

function message(intent: RemoveIntent, going: readonly WrittenFunction[]): string {
  const [only] = going;
  const what =
    going.length === 1 && only
      ? `remove(${intent.owner}/${only.functionName}): #${only.number}`
      : `remove(${intent.owner}): ${going.length} functions`;
  return commitMessage(`${what} ${intent.reason}`, {
    'Towline-Kind': 'remove',
    'Towline-Function': going.map(({ functionName }) => `${intent.owner}/${functionName}`),
    'Towline-Deploy': going.map(({ number }) => String(number)),
    'Towline-Source': `${intent.owner}/${intent.repo}`,
    'Towline-Source-Commit': intent.sourceCommit,
    'Towline-Actor': intent.actor.login || intent.actor.name,
    'Towline-Reason': intent.reason,
  });
}
