import { isDeepStrictEqual } from 'node:util';
import { isMap, isSeq, parseDocument } from 'yaml';
import { defaultEnvironment } from '../../core/environments.ts';
import { type FunctionSpec, gitLabels } from '../../core/function-spec.ts';
import type { PromoteIntent } from '../../core/manifest-writer.ts';
import { createEnvironments, type Environment } from '../environments/environments.ts';
import { heldReason, holdOf, withHold } from '../holding/hold.ts';
import type { IndexedVersion } from '../index/history-index.ts';
import { commitMessage } from '../message/commit-message.ts';
import { safeSignature } from '../message/ident.ts';
import { isFunction, manifestPath, tenantPath } from '../paths.ts';
import type { Policy } from '../policy/policy.ts';
import { asksForTheSame, type FunctionManifest, readFunction } from '../render/read-function.ts';
import { renderTenant } from '../render/tenant.ts';
import type { FileChange, ManifestRepository } from '../repository/manifest-repository.ts';
import type { BranchView } from './branch-view.ts';
import { repositoryOf, tenantClaim, whyNameTaken, whyOtherRepository } from './claims.ts';
import { type Decision, outcome, type PlannedIntent, type PlanningContext, refused } from './decision.ts';
import { noEnvironment, refusedPlan } from './plan-deploy.ts';
import { actorOf } from './plan-hold.ts';

interface Promotion {
  intent: PromoteIntent;
  context: PlanningContext;
  to: Environment;
  fromPath: string;
  path: string;
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
  const { owner, functionName } = intent;
  const name = `${owner}/${functionName}`;
  if (!isFunction(owner, functionName)) return refusedPlan('not_found', `there is no function "${name}"`);
  const environments = context.environments ?? createEnvironments();
  const [from, to] = [environments.get(intent.from), environments.get(intent.to)];
  if (!from || !to) return noEnvironment(from ? intent.to : intent.from, context);
  if (from === to) return refusedPlan('bad_request', 'a function is promoted into another environment');
  const fromPath = manifestPath(owner, functionName, from.name);
  const path = manifestPath(owner, functionName, to.name);
  const promotion: Promotion = { intent, context, to, fromPath, path, name };
  return { paths: [fromPath, path], decide: (view) => decide(view, promotion, repository) };
}

async function decide(
  view: BranchView,
  promotion: Promotion,
  repository: ManifestRepository,
): Promise<Decision> {
  const { intent, path, fromPath, name } = promotion;
  if (view.isPending(path) || view.isPending(fromPath)) return { type: 'later' };
  const history = await view.history();
  const version =
    intent.commit === undefined ? history.newest(fromPath) : history.byCommit(fromPath, intent.commit);
  const text = version?.after ? await repository.read(version.after) : undefined;
  if (!version || text === undefined) return refused('not_found', `${name} is not in "${intent.from}"`);
  const manifest = readFunction(text);
  if (!manifest)
    return refused('manifest_refused', `the manifest of ${name} in "${intent.from}" cannot be read`);
  return await promoted(view, promotion, { version, text, manifest });
}

async function promoted(view: BranchView, promotion: Promotion, origin: Origin): Promise<Decision> {
  const { intent, path } = promotion;
  const current = await view.text(path);
  const hold = holdOf(current);
  if (hold !== undefined) return outcome({ type: 'held', reason: heldReason(hold) });
  const claim = await claims(view, promotion, origin, current);
  if ('refusal' in claim) return claim.refusal;
  const content = inNamespace(withHold(origin.text, null), namespaceOf(promotion));
  const newest = (await view.history()).newest(path);
  if (current !== null && newest && asksForTheSame(current, content)) {
    const written = [{ functionName: intent.functionName, number: newest.number }];
    return outcome({ type: 'unchanged', commit: newest.commit, written });
  }
  const number = await view.nextNumber(path);
  return {
    type: 'commit',
    written: [{ functionName: intent.functionName, number }],
    commit: {
      message: message(promotion, origin, number),
      author: safeSignature(intent.actor),
      committer: promotion.context.committer,
      time: promotion.context.now(),
      changes: [...claim.changes, { path, content }],
    },
  };
}

function namespaceOf({ to, context }: Promotion): string {
  return to.namespace ?? context.namespace;
}

/** Names, folders and rules are each environment's own. */
async function claims(
  view: BranchView,
  promotion: Promotion,
  { manifest, text }: Origin,
  current: string | null,
): Promise<{ refusal: Decision } | { changes: FileChange[] }> {
  const { intent, to, context } = promotion;
  const { owner, functionName } = intent;
  const ownerId = manifest.metadata.labels[gitLabels.ownerId] ?? '';
  const tenant = await tenantClaim(view, owner, ownerId, to.name);
  if (tenant.type === 'refused') return { refusal: refused('name_taken', tenant.message) };
  const taken =
    (await whyNameTaken(view, owner, functionName, to.name)) ??
    whyOtherRepository(current, functionName, repositoryOf(text) ?? '');
  if (taken !== undefined) return { refusal: refused('name_taken', taken) };
  const policy = to.policy ?? (to.name === defaultEnvironment ? context.policy : undefined);
  const forbidden = policy && whyNotByPolicy(policy, manifest, { owner, ownerId, functionName });
  if (forbidden !== undefined) {
    return { refusal: refused('manifest_refused', `the policy of "${to.name}": ${forbidden}`) };
  }
  if (tenant.type === 'own') return { changes: [] };
  const content = renderTenant({ owner, ownerId, namespace: namespaceOf(promotion) });
  return { changes: [{ path: tenantPath(owner, to.name), content }] };
}

/** The same configuration is promoted or none: what the policy would change has to be changed at its source. */
function whyNotByPolicy(
  policy: Policy,
  { spec }: FunctionManifest,
  who: { owner: string; ownerId: string; functionName: string },
): string | undefined {
  const asked: FunctionSpec = {
    owner: who.owner,
    functionName: who.functionName,
    image: spec.image,
    environment: spec.environment,
    secrets: spec.secrets,
    labels: authored(spec.labels),
    annotations: authored(spec.annotations),
    limits: spec.limits ?? {},
    requests: spec.requests ?? {},
    constraints: spec.constraints,
    readOnlyRootFilesystem: spec.readOnlyRootFilesystem,
  };
  const answer = policy.apply(asked, who);
  if (answer.type === 'refused') return answer.violations.join('; ');
  if (isDeepStrictEqual(answer.spec, asked)) return undefined;
  return answer.warnings.join('; ') || 'it asks for other limits';
}

function authored(map: Record<string, string>): Record<string, string> {
  const kept = Object.entries(map).filter(
    ([key]) =>
      !/^com\.openfaas\.(cloud\.)?git-/.test(key) &&
      (key === 'towline.dev/access' || !/^towline\.dev\//.test(key)),
  );
  return Object.fromEntries(kept);
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
    'Towline-Deploy': String(number),
    'Towline-Source': version.source,
    'Towline-Source-Commit': manifest.metadata.labels[gitLabels.sha] ?? version.sourceCommit,
    'Towline-Image': manifest.spec.image,
    'Towline-Actor': actorOf(intent),
    'Towline-Reason': reason,
  });
}
