import { defaultEnvironment } from '../../core/environments.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { SecretsIntent, WriteOutcome } from '../../core/manifest-writer.ts';
import { RepoName, whyNotOwner } from '../../core/names.ts';
import { commitMessage } from '../message/commit-message.ts';
import { safeSignature } from '../message/ident.ts';
import { tenantFolder, tenantPath } from '../paths.ts';
import type { BranchView } from '../planning/branch-view.ts';
import { tenantClaim } from '../planning/claims.ts';
import {
  type Decision,
  outcome,
  type PlannedIntent,
  type PlanningContext,
  refused,
  refusedPlan,
} from '../planning/decision.ts';
import { environmentTrailer, type Placement, placementOf, whyNoEnvironment } from '../planning/placement.ts';
import { renderTenant } from '../render/tenant.ts';
import type { FileChange } from '../repository/manifest-repository.ts';
import { type OwnSecret, readSecrets } from './read-secrets.ts';
import { whyOtherSource, whySecretTaken } from './secret-claims.ts';
import { repositoryOfSecret, secretOfFile, secretPath } from './secret-file.ts';
import { defaultSecretRules } from './secret-rules.ts';

/** One commit that makes a repository's secrets what its `secrets.yml` says: added, changed and removed. */
export function planSecrets(intent: SecretsIntent, context: PlanningContext): PlannedIntent {
  const checked = checkSecrets(intent, context);
  if ('code' in checked) return refusedPlan(checked.code, checked.message);
  return { paths: [], decide: (view) => decide(view, { intent, context, ...checked }) };
}

/**
 * Why what is in `secrets.yml` is not taken, whatever is on the branch: asked before the intent is kept, so that a
 * Secret that somebody forgot to encrypt never gets to the disk.
 */
export function whyNotSecrets(intent: SecretsIntent, context: PlanningContext): WriteOutcome | undefined {
  const checked = checkSecrets(intent, context);
  return 'code' in checked ? { type: 'refused', ...checked } : undefined;
}

function checkSecrets(
  { owner, ownerId, repo, documents, environment = defaultEnvironment }: SecretsIntent,
  context: PlanningContext,
): { code: ErrorCode; message: string } | Pick<PlannedSecrets, 'placement' | 'secrets'> {
  const badName = whyNotOwner(owner);
  if (badName !== undefined) return { code: 'name_invalid', message: badName };
  if (!RepoName.safeParse(repo).success) {
    return { code: 'manifest_refused', message: 'the repository has no valid name' };
  }
  const placement = placementOf(environment, context);
  if (!placement) return { code: 'not_found', message: whyNoEnvironment(environment, context) };
  const place = { owner, ownerId, repo, namespace: placement.namespace };
  const reading = readSecrets(documents, place, context.secrets ?? defaultSecretRules);
  if ('problem' in reading) return { code: 'manifest_refused', message: `secrets.yml: ${reading.problem}` };
  return { placement, secrets: reading.secrets };
}

interface SecretChange extends FileChange {
  verb: 'add' | 'change' | 'remove';
  name: string;
}

interface PlannedSecrets {
  intent: SecretsIntent;
  context: PlanningContext;
  placement: Placement;
  secrets: OwnSecret[];
}

async function decide(
  view: BranchView,
  { intent, context, placement, secrets }: PlannedSecrets,
): Promise<Decision> {
  const { owner, ownerId, repo } = intent;
  const { environment, namespace } = placement;
  const tenant = await tenantClaim(view, owner, ownerId, environment);
  if (tenant.type === 'refused') return refused('name_taken', tenant.message);
  const changes: SecretChange[] = [];
  for (const { name, text } of secrets) {
    const path = secretPath(owner, name, environment);
    const current = await view.text(path);
    const taken =
      (await whySecretTaken(view, owner, name, environment)) ?? whyOtherSource(current, name, repo);
    if (taken !== undefined) return refused('name_taken', taken);
    if (current !== text)
      changes.push({ path, content: text, name, verb: current === null ? 'add' : 'change' });
  }
  changes.push(...(await gone(view, intent, new Set(secrets.map(({ name }) => name)))));
  if (changes.length === 0) return outcome({ type: 'unchanged', commit: view.head, written: [] });
  const sentinel = renderTenant({ owner, ownerId, namespace });
  const tenantChanges =
    tenant.type === 'new' ? [{ path: tenantPath(owner, environment), content: sentinel }] : [];
  const files = changes.map(({ path, content }) => ({ path, content }));
  return {
    type: 'commit',
    written: [],
    commit: {
      message: message(intent, changes),
      author: safeSignature(intent.actor),
      committer: context.committer,
      time: context.now(),
      changes: [...tenantChanges, ...files],
    },
  };
}

/** Files of this repository's secrets that it no longer names. */
async function gone(
  view: BranchView,
  { owner, environment, repo }: SecretsIntent,
  kept: ReadonlySet<string>,
): Promise<SecretChange[]> {
  const changes: SecretChange[] = [];
  for (const file of await view.files(tenantFolder(owner, environment))) {
    const name = secretOfFile(file);
    if (name === undefined || kept.has(name)) continue;
    const path = secretPath(owner, name, environment);
    const text = await view.text(path);
    if (text === null || repositoryOfSecret(text) !== repo) continue;
    changes.push({ path, content: null, name, verb: 'remove' });
  }
  return changes;
}

function message(intent: SecretsIntent, changes: readonly SecretChange[]): string {
  const { owner, repo, sourceCommit, actor } = intent;
  const what = changes.map(({ verb, name }) => `${verb} ${name}`).join(', ');
  return commitMessage(`secrets(${owner}/${repo}): ${what}`, {
    'Towline-Kind': 'secrets',
    ...environmentTrailer(intent.environment ?? defaultEnvironment),
    'Towline-Source': `${owner}/${repo}`,
    'Towline-Source-Commit': sourceCommit,
    'Towline-Actor': actor.login || actor.name,
  });
}
