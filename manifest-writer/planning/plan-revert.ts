import { gitLabels } from '../../core/function-spec.ts';
import type { RevertIntent, UndoIntent } from '../../core/manifest-writer.ts';
import { CommitSha, objectName } from '../../core/names.ts';
import { holdText, withHold } from '../holding/hold.ts';
import type { IndexedVersion } from '../index/history-index.ts';
import { maxNamedReverts } from '../index/record-commit.ts';
import { commitMessage } from '../message/commit-message.ts';
import { safeSignature } from '../message/ident.ts';
import { type FunctionManifest, readFunction } from '../render/read-function.ts';
import type { ManifestRepository } from '../repository/manifest-repository.ts';
import type { BranchView } from './branch-view.ts';
import { whyNameTaken, whyNotTheirs } from './claims.ts';
import { type Decision, outcome, type PlannedIntent, type PlanningContext, refused } from './decision.ts';
import { environmentTrailer, type FunctionPlacement, locate } from './placement.ts';
import { actorOf } from './plan-hold.ts';
import { whyNotManifest } from './why-not-manifest.ts';

interface Revert {
  intent: RevertIntent;
  context: PlanningContext;
  place: FunctionPlacement;
}

/** Of a very long way back only the newest versions are named. */
interface Undone {
  versions: IndexedVersion[];
  oldest: number;
  newest: number;
}

/** One commit that makes the function's file what it was at another commit: code and configuration. */
export function planRevert(
  intent: RevertIntent,
  context: PlanningContext,
  repository: ManifestRepository,
): PlannedIntent {
  const { place, refusal } = locate(intent, context);
  if (!place) return refusal;
  const revert = { intent, context, place };
  return { paths: [place.path], decide: (view) => decide(view, revert, repository) };
}

/** A revert to the state before the newest commit of the function. */
export function planUndo(
  intent: UndoIntent,
  context: PlanningContext,
  repository: ManifestRepository,
): PlannedIntent {
  const { commit, ...common } = intent;
  const asked: RevertIntent = { ...common, toCommit: commit };
  const { place, refusal } = locate(asked, context);
  if (!place) return refusal;
  const { path, name, environment } = place;

  async function decideUndo(view: BranchView): Promise<Decision> {
    const notTheirs = await whyNotTheirs(view, intent, environment);
    if (notTheirs) return notTheirs;
    if (view.isPending(path)) return { type: 'later' };
    const history = await view.history();
    const undone = history.byCommit(path, commit);
    if (!undone) return refused('not_found', `there is no commit ${commit.slice(0, 40)} of ${name}`);
    if (!undone.current) {
      const newest = `#${history.count(path)} is newer than #${undone.number}`;
      return outcome({ type: 'conflict', message: `${newest}; choose a deploy to return to` });
    }
    const [, before] = history.since(path, undone.number - 2, 2);
    if (!before)
      return refused('not_found', `there is nothing before #${undone.number}; remove the function instead`);
    return await planRevert({ ...asked, toCommit: before.commit }, context, repository).decide(view);
  }
  return { paths: [path], decide: decideUndo };
}

async function decide(view: BranchView, revert: Revert, repository: ManifestRepository): Promise<Decision> {
  const { intent, place } = revert;
  const { path, name, environment } = place;
  const notTheirs = await whyNotTheirs(view, intent, environment);
  if (notTheirs) return notTheirs;
  if (view.isPending(path)) return { type: 'later' };
  const history = await view.history();
  if (!(await isOnBranch(intent.toCommit, view, repository))) {
    return refused('not_found', `there is no commit ${intent.toCommit.slice(0, 40)} on the branch`);
  }
  const blob = await repository.blobOf(intent.toCommit, path);
  const newest = history.newest(path);
  if (blob === null || newest === undefined) {
    return refused(
      'not_found',
      `${name} did not exist at ${intent.toCommit.slice(0, 7)}; choose a deploy to return to`,
    );
  }
  const current = await repository.blobOf(view.head, path);
  if (current === blob && !intent.hold) {
    const written = [{ functionName: intent.functionName, number: newest.number }];
    return outcome({ type: 'unchanged', commit: newest.commit, written });
  }
  const changed = await whyConflict(revert, view, repository, current);
  if (changed !== undefined) return outcome({ type: 'conflict', message: changed });
  const target = history.byCommit(path, intent.toCommit) ?? history.byContent(path, blob);
  const undone = history.since(path, target?.number ?? newest.number - 1, maxNamedReverts);
  const numbers = { oldest: (target?.number ?? newest.number - 1) + 1, newest: newest.number };
  return restore(view, revert, { versions: undone, ...numbers }, await repository.read(blob));
}

async function isOnBranch(
  commit: string,
  view: BranchView,
  repository: ManifestRepository,
): Promise<boolean> {
  if (!CommitSha.safeParse(commit).success) return false;
  // A commit that a merge brought in is not on the first-parent history, and git knows it.
  return (await view.history()).has(commit) || (await repository.contains(view.head, commit));
}

async function whyConflict(
  { intent, place }: Revert,
  view: BranchView,
  repository: ManifestRepository,
  current: string | null,
): Promise<string | undefined> {
  const { expectedCommit } = intent;
  const { path, name } = place;
  if (expectedCommit === undefined) return undefined;
  const known = await isOnBranch(expectedCommit, view, repository);
  if (known && (await repository.blobOf(expectedCommit, path)) === current) return undefined;
  const number = (await view.history()).count(path);
  return `${name} was changed meanwhile; its newest deploy is #${number}. Look at it and ask again`;
}

async function restore(view: BranchView, revert: Revert, undone: Undone, content: string): Promise<Decision> {
  const { intent, context, place } = revert;
  const { path, name, environment } = place;
  const manifest = readFunction(content);
  const invalid = whyNotManifest(content, objectName(intent.owner, intent.functionName));
  if (invalid !== undefined || !manifest) {
    const what = `the manifest of ${name} at ${intent.toCommit.slice(0, 7)} is not valid any more`;
    return refused('manifest_refused', `${what}: ${invalid}`);
  }
  const taken = await whyNameTaken(view, intent.owner, intent.functionName, environment);
  if (taken !== undefined) return refused('name_taken', taken);
  const number = await view.nextNumber(path);
  const message = revertMessage(revert, manifest, { number, undone });
  return {
    type: 'commit',
    written: [{ functionName: intent.functionName, number }],
    commit: {
      message,
      author: safeSignature(intent.actor),
      committer: context.committer,
      time: context.now(),
      changes: [{ path, content: intent.hold ? held(content, revert) : content }],
    },
  };
}

function held(content: string, { intent, context }: Revert): string {
  return withHold(content, holdText(actorOf(intent), context.now(), intent.reason));
}

function revertMessage(
  { intent, place }: Revert,
  manifest: FunctionManifest,
  { number, undone }: { number: number; undone: Undone },
): string {
  const { newest, oldest } = undone;
  const span = newest === oldest ? `#${newest}` : `#${oldest} to #${newest}`;
  const reason = intent.reason === '' ? '' : `: ${intent.reason}`;
  return commitMessage(`revert(${place.name}): #${number} undo ${span}${reason}`, {
    'Towline-Kind': 'revert',
    'Towline-Function': `${intent.owner}/${intent.functionName}`,
    ...environmentTrailer(place.environment),
    'Towline-Deploy': String(number),
    'Towline-Source-Commit': manifest.metadata.labels[gitLabels.sha] ?? null,
    'Towline-Image': manifest.spec.image,
    'Towline-Actor': actorOf(intent),
    'Towline-Reason': intent.reason,
    'Towline-Reverts': undone.versions.map(({ commit }) => commit),
  });
}
