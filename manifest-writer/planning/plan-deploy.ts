import { gitLabels } from '../../core/function-spec.ts';
import type { DeployIntent } from '../../core/manifest-writer.ts';
import { commitMessage } from '../message/commit-message.ts';
import { safeSignature } from '../message/ident.ts';
import { manifestPath, tenantPath } from '../paths.ts';
import { whyNotSpec } from '../render/check-spec.ts';
import { asksForTheSame, readFunction, renderFunction } from '../render/render-function.ts';
import { renderTenant } from '../render/tenant.ts';
import type { FileChange } from '../repository/manifest-repository.ts';
import type { BranchView, FileVersion } from './branch-view.ts';
import { tenantClaim, whyNameTaken, whyOtherRepository } from './claims.ts';
import { type Decision, outcome, type PlannedIntent, type PlanningContext, refused } from './decision.ts';

/** A build id is written to a trailer and found again by its exact text. */
const buildId = /^[\x21-\x7e]{1,200}$/;
const maxManifestBytes = 256 * 1024;

interface Deploy {
  intent: DeployIntent;
  context: PlanningContext;
  path: string;
  manifest: string;
}

/** Checks and renders at once; only the claims and the history wait for the branch. */
export function planDeploy(intent: DeployIntent, context: PlanningContext): PlannedIntent {
  const refusal = whyNotIntent(intent);
  if (refusal) return { paths: [], decide: async () => refusal };
  const { spec, provenance } = intent;
  const manifest = renderFunction(spec, provenance, {
    namespace: context.namespace,
    deployedAt: context.now(),
  });
  if (Buffer.byteLength(manifest) > maxManifestBytes) {
    const tooLarge = refused('manifest_refused', `the manifest is larger than ${maxManifestBytes} bytes`);
    return { paths: [], decide: async () => tooLarge };
  }
  const path = manifestPath(spec.owner, spec.functionName);
  const deploy: Deploy = { intent, context, path, manifest };
  return { paths: [path], decide: (view) => decide(view, deploy) };
}

function whyNotIntent(intent: DeployIntent): Decision | undefined {
  if (!buildId.test(intent.buildId)) return refused('bad_request', 'the build id is not one printable word');
  const problem = whyNotSpec(intent.spec, intent.provenance);
  return problem && refused(problem.code, problem.message);
}

async function decide(view: BranchView, deploy: Deploy): Promise<Decision> {
  const versions = await view.versions(deploy.path);
  const asked = versions.find((one) => one.commit.trailers['Towline-Build']?.includes(deploy.intent.buildId));
  if (asked) return unchanged(deploy, asked);
  const claim = await claims(view, deploy);
  if (claim.refusal) return claim.refusal;
  return decideChange(view, deploy, versions, claim.changes);
}

async function claims(
  view: BranchView,
  deploy: Deploy,
): Promise<{ refusal?: Decision; changes: FileChange[] }> {
  const { spec, provenance } = deploy.intent;
  const { namespace } = deploy.context;
  const tenant = await tenantClaim(view, spec.owner, provenance.ownerId);
  if (tenant.type === 'refused') return { refusal: refused('name_taken', tenant.message), changes: [] };
  const taken =
    (await whyNameTaken(view, spec.owner, spec.functionName)) ??
    whyOtherRepository(await view.text(deploy.path), spec.functionName, provenance.repo);
  if (taken !== undefined) return { refusal: refused('name_taken', taken), changes: [] };
  if (tenant.type === 'own') return { changes: [] };
  const content = renderTenant({ owner: spec.owner, ownerId: provenance.ownerId, namespace });
  return { changes: [{ path: tenantPath(spec.owner), content }] };
}

async function decideChange(
  view: BranchView,
  deploy: Deploy,
  versions: FileVersion[],
  tenantChanges: FileChange[],
): Promise<Decision> {
  const { intent, path, manifest } = deploy;
  const current = await view.text(path);
  const same = current !== null && asksForTheSame(current, manifest);
  const stale = intent.trigger === 'rebuild' && isReplaced(intent, versions, current);
  if ((same || intent.trigger === 'rebuild') && view.isPending(path)) return { type: 'later' };
  const newest = versions[0];
  if (same && newest) return unchanged(deploy, newest);
  if (stale) return outcome({ type: 'skipped', reason: replacedReason(deploy, current) });
  const number = await view.nextNumber(path);
  return {
    type: 'commit',
    written: [{ functionName: intent.spec.functionName, number }],
    commit: {
      message: message(intent, number),
      author: safeSignature(intent.actor),
      committer: deploy.context.committer,
      time: deploy.context.now(),
      changes: [...tenantChanges, { path, content: manifest }],
    },
  };
}

/** Deployed before, and something else (a newer deploy, a revert, a removal) took its place. */
function isReplaced(intent: DeployIntent, versions: FileVersion[], current: string | null): boolean {
  const { sourceCommit } = intent.provenance;
  if (sourceOf(current) === sourceCommit) return false;
  return versions.some((one) => one.commit.trailers['Towline-Source-Commit']?.includes(sourceCommit));
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

function unchanged(deploy: Deploy, version: FileVersion): Decision {
  const written = [{ functionName: deploy.intent.spec.functionName, number: version.number }];
  return outcome({ type: 'unchanged', commit: version.commit.commit, written });
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
