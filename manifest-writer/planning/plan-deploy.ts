import type { DeployIntent, WrittenFunction } from '../../core/manifest-writer.ts';
import { heldReason, readHeld } from '../holding/hold.ts';
import type { BranchHistory, IndexedVersion } from '../index/history-index.ts';
import { commitMessage } from '../message/commit-message.ts';
import { safeSignature } from '../message/ident.ts';
import { prepareManifest } from '../render/prepare-manifest.ts';
import { asksForTheSame } from '../render/read-function.ts';
import type { FileChange } from '../repository/manifest-repository.ts';
import type { BranchView } from './branch-view.ts';
import { type Decision, outcome, type PlannedIntent, type PlanningContext, refusedPlan } from './decision.ts';
import { claimsOf } from './deploy-claims.ts';
import {
  environmentTrailer,
  type FunctionPlacement,
  locate,
  noEnvironment,
  placementOf,
  refusedUnreadable,
} from './placement.ts';
import { whyReplaced } from './replaced-source.ts';

/** A build id is written to a trailer and found again by its exact text. */
export const buildIdPattern = /^[\x21-\x7e]{1,200}$/;

interface Deploy {
  intent: DeployIntent;
  context: PlanningContext;
  place: FunctionPlacement;
  manifest: string;
  /** For the author: where the manifest says something else than they did. */
  warnings: string[];
}

/** Checks and renders at once; only the claims and the history wait for the branch. */
export function planDeploy(intent: DeployIntent, context: PlanningContext): PlannedIntent {
  const { spec, buildId: build } = intent;
  if (!buildIdPattern.test(build))
    return refusedPlan('bad_request', 'the build id is not one printable word');
  const placement = placementOf(intent.environment, context);
  if (!placement) return noEnvironment(intent.environment ?? '', context);
  const { policy, namespace } = placement;
  const { target = 'openfaas' } = context;
  // Before its path is made: a name that no function can have is told in the spec's own words.
  const prepared = prepareManifest(intent, policy, { target, namespace, deployedAt: context.now() });
  if (prepared.type === 'refused') return refusedPlan(prepared.code, prepared.message);
  const { place, refusal } = locate({ ...spec, environment: placement.environment }, context);
  if (!place) return refusal;
  const deploy: Deploy = { intent, context, place, manifest: prepared.text, warnings: prepared.warnings };
  return { paths: [place.path], decide: (view) => decide(view, deploy) };
}

async function decide(view: BranchView, deploy: Deploy): Promise<Decision> {
  const { intent, place } = deploy;
  const asked = await (await view.history()).byBuild(place.path, intent.buildId);
  if (asked) return unchanged(deploy, asked);
  const claim = await claimsOf(view, { ...intent, place });
  return claim.refusal ?? (await decideChange(view, deploy, claim.changes));
}

async function decideChange(
  view: BranchView,
  deploy: Deploy,
  tenantChanges: FileChange[],
): Promise<Decision> {
  const { intent, place, manifest } = deploy;
  const { path } = place;
  const current = await view.text(path);
  const held = current === null ? undefined : readHeld(current);
  if (current !== null && !held) return refusedUnreadable(place);
  const live = held?.bare ?? null;
  const same = live !== null && asksForTheSame(live, manifest);
  const history = await view.history();
  const stale = whyStale(deploy, history, live);
  if ((same || intent.trigger === 'rebuild') && view.isPending(path)) return { type: 'later' };
  const newest = history.newest(path);
  if (same && newest) {
    endOlder(deploy);
    return unchanged(deploy, newest);
  }
  if (stale !== undefined) return outcome({ type: 'skipped', reason: stale });
  if (held?.hold !== undefined) return wait(deploy, held.hold, view, newest);
  const number = await view.nextNumber(path);
  return {
    type: 'commit',
    written: [written(deploy, number)],
    commit: {
      message: message(intent, place, number),
      author: safeSignature(intent.actor),
      committer: deploy.context.committer,
      time: deploy.context.now(),
      changes: [...tenantChanges, { path, content: manifest }],
    },
  };
}

/** Keeping it again after a lost race changes nothing; if it isn't held then, its build is found when it is taken up. */
function wait(
  { intent, context, place }: Deploy,
  hold: string,
  view: BranchView,
  newest: IndexedVersion | undefined,
): Decision {
  const { path } = place;
  const { sourceCommit } = intent.provenance;
  if (intent.trigger === 'rebuild' && context.waiting?.isReplaced(path, sourceCommit)) {
    const reason = `${sourceCommit.slice(0, 7)} waited and was replaced by a newer commit`;
    return outcome({ type: 'skipped', reason });
  }
  // It is told by its commit whether something is newer than what waits, and that one has none yet.
  if (view.isPending(path)) return { type: 'later' };
  context.waiting?.putDeploy({ path, intent, base: newest?.commit ?? '' });
  return outcome({ type: 'held', reason: heldReason(hold) });
}

/** A push that asks for what is live is a later word than the one that waits: it took that one back. */
function endOlder({ intent, context, place: { path } }: Deploy): void {
  const waits = context.waiting?.deploy(path);
  if (!waits || intent.trigger !== 'push' || waits.intent.buildId === intent.buildId) return;
  context.waiting?.supersedeDeploy(path, waits.intent.buildId, intent.provenance.sourceCommit);
}

/** Only a re-run can be out of date: a push is always news. */
function whyStale(
  { intent, place }: Deploy,
  history: BranchHistory,
  current: string | null,
): string | undefined {
  if (intent.trigger !== 'rebuild') return undefined;
  const { sourceCommit } = intent.provenance;
  return whyReplaced(history, { ...place, sourceCommit, current, answeredBy: intent.answeredBy });
}

function written({ intent, warnings }: Deploy, number: number): WrittenFunction {
  const { functionName } = intent.spec;
  return { functionName, number, ...(warnings.length > 0 ? { warnings } : {}) };
}

function unchanged(deploy: Deploy, version: IndexedVersion): Decision {
  const { commit, number } = version;
  return outcome({ type: 'unchanged', commit, written: [written(deploy, number)] });
}

function message(intent: DeployIntent, { name, environment }: FunctionPlacement, number: number): string {
  const { spec, provenance, actor } = intent;
  const subject = `deploy(${name}): #${number} ${provenance.sourceCommit.slice(0, 7)} ${intent.sourceSubject}`;
  return commitMessage(subject, {
    'Towline-Kind': 'deploy',
    'Towline-Function': `${spec.owner}/${spec.functionName}`,
    ...environmentTrailer(environment),
    'Towline-Deploy': String(number),
    'Towline-Source': `${provenance.owner}/${provenance.repo}@${provenance.branch}`,
    'Towline-Source-Commit': provenance.sourceCommit,
    'Towline-Image': spec.image,
    'Towline-Build': intent.buildId,
    'Towline-Actor': actor.login || actor.name,
  });
}
