import { isMap, isSeq, parseDocument } from 'yaml';
import { gitLabels } from '../../core/function-spec.ts';
import type { PromoteIntent, WrittenFunction } from '../../core/manifest-writer.ts';
import { objectName } from '../../core/names.ts';
import { heldReason, readHeld, withHold } from '../holding/hold.ts';
import type { BranchHistory, IndexedVersion } from '../index/history-index.ts';
import { commitMessage } from '../message/commit-message.ts';
import { safeSignature } from '../message/ident.ts';
import { authoredSpec, provenanceOf } from '../render/authored-spec.ts';
import { deployTimeLabel } from '../render/metadata.ts';
import { type PreparedManifest, prepareManifest, refusedManifest } from '../render/prepare-manifest.ts';
import { asksForTheSame, type FunctionManifest, readFunction } from '../render/read-function.ts';
import { renderManifest } from '../render/render-manifest.ts';
import type { ManifestRepository } from '../repository/manifest-repository.ts';
import type { BranchView } from './branch-view.ts';
import { whyNotTheirs } from './claims.ts';
import {
  type Decision,
  outcome,
  type PlannedIntent,
  type PlanningContext,
  refused,
  refusedPlan,
} from './decision.ts';
import { claimsOf } from './deploy-claims.ts';
import { environmentTrailer, type FunctionPlacement, locate, refusedUnreadable } from './placement.ts';
import { buildIdPattern } from './plan-deploy.ts';
import { actorOf } from './plan-hold.ts';
import { whyReplaced } from './replaced-source.ts';
import { whyNotManifest } from './why-not-manifest.ts';

interface Promotion {
  intent: PromoteIntent;
  context: PlanningContext;
  from: FunctionPlacement;
  to: FunctionPlacement;
  /** Owner and function. */
  name: string;
}

/** What is promoted: a version of the other environment and its manifest. */
interface Origin {
  version: IndexedVersion;
  text: string;
  manifest: FunctionManifest;
}

/** One commit that makes the function's file of an environment what it is in another one, by that one's rules. */
export function planPromote(
  intent: PromoteIntent,
  context: PlanningContext,
  repository: ManifestRepository,
): PlannedIntent {
  const { owner, functionName, buildId } = intent;
  if (buildId !== undefined && !buildIdPattern.test(buildId)) {
    return refusedPlan('bad_request', 'the build id is not one printable word');
  }
  const from = locate({ owner, functionName, environment: intent.from }, context);
  if (!from.place) return from.refusal;
  const to = locate({ owner, functionName, environment: intent.to }, context);
  if (!to.place) return to.refusal;
  if (from.place.path === to.place.path) {
    return refusedPlan('bad_request', 'a function is promoted into another environment');
  }
  const name = `${owner}/${functionName}`;
  const promotion: Promotion = { intent, context, from: from.place, to: to.place, name };
  const paths = [from.place.path, to.place.path];
  return { paths, decide: (view) => decide(view, promotion, repository) };
}

async function decide(
  view: BranchView,
  promotion: Promotion,
  repository: ManifestRepository,
): Promise<Decision> {
  const { intent, from, to, name } = promotion;
  if (view.isPending(to.path) || view.isPending(from.path)) return { type: 'later' };
  const notTheirs = await whyNotTheirs(view, intent, from.environment);
  if (notTheirs) return notTheirs;
  const history = await view.history();
  const asked = intent.buildId === undefined ? undefined : await history.byBuild(to.path, intent.buildId);
  if (asked) return unchanged(promotion, asked);
  const version =
    intent.commit === undefined ? history.newest(from.path) : history.byCommit(from.path, intent.commit);
  const text = version?.after ? await repository.read(version.after) : undefined;
  if (!version || text === undefined) return refused('not_found', `${name} is not in "${intent.from}"`);
  const manifest = readFunction(text);
  if (!manifest)
    return refused('manifest_refused', `the manifest of ${name} in "${intent.from}" cannot be read`);
  return await promoted(view, promotion, { version, text, manifest });
}

async function promoted(view: BranchView, promotion: Promotion, origin: Origin): Promise<Decision> {
  const { intent, context, to } = promotion;
  const provenance = provenanceOf(origin.manifest, intent);
  const spec = authoredSpec(origin.manifest, intent);
  const prepared = inEnvironment(promotion, origin, { spec, provenance });
  if (prepared.type === 'refused') {
    return refused(prepared.code, `"${to.environment}" does not take it: ${prepared.message}`);
  }
  const claim = await claimsOf(view, { spec: prepared.spec, provenance, place: to });
  if (claim.refusal) return claim.refusal;
  const current = await view.text(to.path);
  const history = await view.history();
  const ended = whyNoChange(promotion, { history, current, prepared, sourceCommit: provenance.sourceCommit });
  if (ended) return ended;
  const number = await view.nextNumber(to.path);
  return {
    type: 'commit',
    written: [written(promotion, number, prepared.warnings)],
    commit: {
      message: message(promotion, origin, number),
      author: safeSignature(intent.actor),
      committer: context.committer,
      time: context.now(),
      changes: [...claim.changes, { path: to.path, content: prepared.text }],
    },
  };
}

type Prepared = Extract<PreparedManifest, { type: 'manifest' }>;

function whyNoChange(
  promotion: Promotion,
  at: { history: BranchHistory; current: string | null; prepared: Prepared; sourceCommit: string },
): Decision | undefined {
  const { intent, to, name } = promotion;
  const { history, current, prepared, sourceCommit } = at;
  const held = current === null ? undefined : readHeld(current);
  if (current !== null && !held) return refusedUnreadable(to);
  const live = held?.bare ?? null;
  const newest = history.newest(to.path);
  if (live !== null && newest && asksForTheSame(live, prepared.text)) {
    return unchanged(promotion, newest, prepared.warnings);
  }
  const stale =
    intent.trigger === 'rebuild'
      ? whyReplaced(history, {
          path: to.path,
          name,
          sourceCommit,
          current: live,
          answeredBy: intent.answeredBy,
        })
      : undefined;
  if (stale !== undefined) return outcome({ type: 'skipped', reason: stale });
  if (held?.hold === undefined) return undefined;
  return outcome({ type: 'held', reason: `${heldReason(held.hold)}; promote it again once it is resumed` });
}

/**
 * The manifest by the rules of the environment it goes to, as a deploy there would have it: what a person wrote into it
 * by hand comes along only as far as a deploy could have asked for it.
 */
function inEnvironment(
  { intent, context, from, to }: Promotion,
  { text, manifest }: Origin,
  asked: Parameters<typeof prepareManifest>[0],
): PreparedManifest {
  const invalid = whyNotManifest(text, objectName(intent.owner, intent.functionName));
  if (invalid !== undefined)
    return refusedManifest(`its manifest in "${from.environment}" is not valid: ${invalid}`);
  const { target = manifest.target } = context;
  const deployedAt = deployedAtOf(manifest) ?? context.now();
  const prepared = prepareManifest(asked, to.policy, { target, namespace: to.namespace, deployedAt });
  if (prepared.type === 'refused' || target !== manifest.target) return prepared;
  const plain = renderManifest(asked.spec, asked.provenance, {
    target,
    namespace: from.namespace,
    deployedAt,
  });
  if (asksForTheSame(plain.text, inNamespace(withHold(text, null), from.namespace))) return prepared;
  const lost = `what a person changed in the manifest of "${from.environment}" itself is left out here`;
  return { ...prepared, warnings: [...prepared.warnings, lost] };
}

/** Milliseconds since the epoch; `undefined` if a person wrote something else. */
function deployedAtOf({ metadata, spec }: FunctionManifest): number | undefined {
  const seconds = { ...metadata.labels, ...spec.labels }[deployTimeLabel];
  return seconds !== undefined && /^\d{1,11}$/.test(seconds) ? Number(seconds) * 1000 : undefined;
}

function written({ intent }: Promotion, number: number, warnings: string[]): WrittenFunction {
  const { functionName } = intent;
  return { functionName, number, ...(warnings.length > 0 ? { warnings } : {}) };
}

function unchanged(
  promotion: Promotion,
  { commit, number }: IndexedVersion,
  warnings: string[] = [],
): Decision {
  return outcome({ type: 'unchanged', commit, written: [written(promotion, number, warnings)] });
}

/** Every object of the manifest, in another namespace; everything else stays as it is written. */
function inNamespace(manifest: string, namespace: string): string {
  const document = parseDocument(manifest, { version: '1.2', compat: 'yaml-1.1' });
  const { contents } = document;
  const items = isMap(contents) ? contents.get('items') : undefined;
  const objects: unknown[] = isSeq(items) ? items.items : [contents];
  for (const object of objects) {
    const metadata = isMap(object) ? object.get('metadata') : undefined;
    if (isMap(metadata)) metadata.set('namespace', document.createNode(namespace));
  }
  return document.toString({ lineWidth: 0, blockQuote: false, singleQuote: false });
}

function message(promotion: Promotion, { version, manifest }: Origin, number: number): string {
  const { intent, name } = promotion;
  const origin = `promoted from ${intent.from} #${version.number}`;
  const reason = intent.reason === '' ? origin : `${origin}: ${intent.reason}`;
  return commitMessage(`promote(${name}): #${number} to ${intent.to}, ${reason}`, {
    'Towline-Kind': 'promote',
    'Towline-Function': name,
    ...environmentTrailer(promotion.to.environment),
    'Towline-Deploy': String(number),
    'Towline-Source': version.source,
    'Towline-Source-Commit': manifest.metadata.labels[gitLabels.sha] ?? version.sourceCommit,
    'Towline-Image': manifest.spec.image,
    'Towline-Build': intent.buildId ?? null,
    'Towline-Actor': actorOf(intent),
    'Towline-Reason': reason,
  });
}
