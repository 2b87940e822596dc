import { defaultEnvironment } from '../../core/environments.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { type FunctionSpec, gitLabels } from '../../core/function-spec.ts';
import type { DeployIntent, WrittenFunction } from '../../core/manifest-writer.ts';
import { heldReason, holdOf, withHold } from '../holding/hold.ts';
import type { BranchHistory, IndexedVersion } from '../index/history-index.ts';
import { commitMessage } from '../message/commit-message.ts';
import { safeSignature } from '../message/ident.ts';
import { functionOfPath, manifestPath, tenantPath } from '../paths.ts';
import { createPolicy, type Policy } from '../policy/policy.ts';
import { secretNames } from '../render/metadata.ts';
import { prepareManifest } from '../render/prepare-manifest.ts';
import { asksForTheSame, readFunction } from '../render/read-function.ts';
import { renderTenant } from '../render/tenant.ts';
import type { FileChange } from '../repository/manifest-repository.ts';
import { whySecretTaken } from '../secrets/secret-claims.ts';
import type { BranchView } from './branch-view.ts';
import { tenantClaim, whyNameTaken, whyOtherRepository } from './claims.ts';
import { type Decision, outcome, type PlannedIntent, type PlanningContext, refused } from './decision.ts';

/** A build id is written to a trailer and found again by its exact text. */
const buildId = /^[\x21-\x7e]{1,200}$/;
const permissive = createPolicy();

interface Deploy {
  intent: DeployIntent;
  context: PlanningContext;
  environment: string;
  policy: Policy;
  namespace: string;
  path: string;
  manifest: string;
  /** For the author: where the manifest says something else than they did. */
  warnings: string[];
}

/** Checks and renders at once; only the claims and the history wait for the branch. */
export function planDeploy(intent: DeployIntent, context: PlanningContext): PlannedIntent {
  const { spec, buildId: build } = intent;
  if (!buildId.test(build)) return refusedPlan('bad_request', 'the build id is not one printable word');
  const environment = intent.environment ?? defaultEnvironment;
  const place = context.environments?.get(environment);
  if (environment !== defaultEnvironment && !place) return noEnvironment(environment, context);
  const { target = 'openfaas' } = context;
  const policy = place?.policy ?? context.policy ?? permissive;
  const namespace = place?.namespace ?? context.namespace;
  const prepared = prepareManifest(intent, policy, { target, namespace, deployedAt: context.now() });
  if (prepared.type === 'refused') return refusedPlan(prepared.code, prepared.message);
  const path = manifestPath(spec.owner, spec.functionName, environment);
  const { text: manifest, warnings } = prepared;
  const deploy: Deploy = { intent, context, environment, policy, namespace, path, manifest, warnings };
  return { paths: [path], decide: (view) => decide(view, deploy) };
}

export function noEnvironment(name: string, { environments }: PlanningContext): PlannedIntent {
  const known = (environments?.names ?? [defaultEnvironment]).join(', ');
  return refusedPlan('not_found', `there is no environment "${name}"; there is ${known}`);
}

export function refusedPlan(code: ErrorCode, message: string): PlannedIntent {
  return { paths: [], decide: async () => refused(code, message) };
}

async function decide(view: BranchView, deploy: Deploy): Promise<Decision> {
  const asked = (await view.history()).byBuild(deploy.path, deploy.intent.buildId);
  if (asked) return unchanged(deploy, asked);
  const claim = await claims(view, deploy);
  if (claim.refusal) return claim.refusal;
  return decideChange(view, deploy, claim.changes);
}

async function claims(
  view: BranchView,
  deploy: Deploy,
): Promise<{ refusal?: Decision; changes: FileChange[] }> {
  const { spec, provenance } = deploy.intent;
  const { namespace, environment } = deploy;
  const tenant = await tenantClaim(view, spec.owner, provenance.ownerId, environment);
  if (tenant.type === 'refused') return { refusal: refused('name_taken', tenant.message), changes: [] };
  const taken =
    (await whyNameTaken(view, spec.owner, spec.functionName, environment)) ??
    whyOtherRepository(await view.text(deploy.path), spec.functionName, provenance.repo);
  if (taken !== undefined) return { refusal: refused('name_taken', taken), changes: [] };
  const forbidden = (await whyNotSecrets(view, spec)) ?? (await whyOverQuota(view, deploy));
  if (forbidden !== undefined) return { refusal: refused('manifest_refused', forbidden), changes: [] };
  if (tenant.type === 'own') return { changes: [] };
  const content = renderTenant({ owner: spec.owner, ownerId: provenance.ownerId, namespace });
  return { changes: [{ path: tenantPath(spec.owner, environment), content }] };
}

/** A secret's object name can be another tenant's, just as a function's can. */
async function whyNotSecrets(view: BranchView, spec: FunctionSpec): Promise<string | undefined> {
  for (const name of secretNames(spec)) {
    if ((await whySecretTaken(view, spec.owner, name)) !== undefined) {
      return `the secret "${name}" is not one of this owner's; rename it`;
    }
  }
  return undefined;
}

async function whyOverQuota(view: BranchView, { policy, intent, path }: Deploy): Promise<string | undefined> {
  const { provenance } = intent;
  if (policy === permissive || (await view.text(path)) !== null) return undefined;
  const folder = path.slice(0, path.lastIndexOf('/'));
  const files = await view.files(folder);
  const present = files.filter((file) => functionOfPath(`${folder}/${file}`) !== undefined).length;
  return policy.whyNotOneMore(present, provenance);
}

async function decideChange(
  view: BranchView,
  deploy: Deploy,
  tenantChanges: FileChange[],
): Promise<Decision> {
  const { intent, path, manifest } = deploy;
  const current = await view.text(path);
  const hold = holdOf(current);
  const live = current === null || hold === undefined ? current : withHold(current, null);
  const same = live !== null && asksForTheSame(live, manifest);
  const history = await view.history();
  const stale = intent.trigger === 'rebuild' && isReplaced(deploy, history, current);
  if ((same || intent.trigger === 'rebuild') && view.isPending(path)) return { type: 'later' };
  const newest = history.newest(path);
  if (same && newest) return unchanged(deploy, newest);
  if (stale) return outcome({ type: 'skipped', reason: replacedReason(deploy, current) });
  if (hold !== undefined) return wait(deploy, hold, current);
  const number = await view.nextNumber(path);
  return {
    type: 'commit',
    written: [written(deploy, number)],
    commit: {
      message: message(intent, number),
      author: safeSignature(intent.actor),
      committer: deploy.context.committer,
      time: deploy.context.now(),
      changes: [...tenantChanges, { path, content: manifest }],
    },
  };
}

/** Keeping it again after a lost race changes nothing; if it isn't held then, its build is found when it is taken up. */
function wait({ intent, context, path }: Deploy, hold: string, current: string | null): Decision {
  const { sourceCommit } = intent.provenance;
  if (intent.trigger === 'rebuild' && context.waiting?.isReplaced(path, sourceCommit)) {
    const reason = `${sourceCommit.slice(0, 7)} waited and was replaced by a newer commit that waits`;
    return outcome({ type: 'skipped', reason });
  }
  const base = (current === null ? undefined : readFunction(current)?.spec.image) ?? '';
  context.waiting?.putDeploy({ path, intent, base });
  return outcome({ type: 'held', reason: heldReason(hold) });
}

/** Deployed before, and something else (a newer deploy, a revert, a removal) took its place. */
function isReplaced({ intent, path }: Deploy, history: BranchHistory, current: string | null): boolean {
  const { sourceCommit } = intent.provenance;
  if (sourceOf(current) === sourceCommit) return false;
  return history.hasSource(path, sourceCommit) || wasAnswered(intent, history, path);
}

/** Holding and resuming a function don't replace what it is. */
function wasAnswered({ answeredBy }: DeployIntent, history: BranchHistory, path: string): boolean {
  if (answeredBy === undefined) return false;
  const recent = history.pageOfFile(path, { limit: 50 });
  const newest = recent.find(({ kind }) => kind !== 'hold' && kind !== 'resume');
  return newest !== undefined && newest.commit !== answeredBy;
}

function sourceOf(manifest: string | null): string | undefined {
  return manifest === null ? undefined : readFunction(manifest)?.metadata.labels[gitLabels.sha];
}

function replacedReason(deploy: Deploy, current: string | null): string {
  const { spec, provenance } = deploy.intent;
  const was = `${provenance.sourceCommit.slice(0, 7)} of ${spec.owner}/${spec.functionName} was deployed before`;
  const source = sourceOf(current)?.slice(0, 7);
  if (current === null)
    return `${was} and the function was removed since; push a new commit to deploy it again`;
  return `${was} and replaced${source ? ` by ${source}` : ''} since; push a new commit to deploy it again`;
}

function written({ intent, warnings }: Deploy, number: number): WrittenFunction {
  const { functionName } = intent.spec;
  return { functionName, number, ...(warnings.length > 0 ? { warnings } : {}) };
}

function unchanged(deploy: Deploy, version: IndexedVersion): Decision {
  const { commit, number } = version;
  return outcome({ type: 'unchanged', commit, written: [written(deploy, number)] });
}

function message(intent: DeployIntent, number: number): string {
  const { spec, provenance, actor } = intent;
  const name = `${spec.owner}/${spec.functionName}`;
  const subject = `deploy(${name}): #${number} ${provenance.sourceCommit.slice(0, 7)} ${intent.sourceSubject}`;
  return commitMessage(subject, {
    'Towline-Kind': 'deploy',
    'Towline-Function': name,
    'Towline-Deploy': String(number),
    'Towline-Source': `${provenance.owner}/${provenance.repo}@${provenance.branch}`,
    'Towline-Source-Commit': provenance.sourceCommit,
    'Towline-Image': spec.image,
    'Towline-Build': intent.buildId,
    'Towline-Actor': actor.login || actor.name,
  });
}
