import { defaultEnvironment } from '../../core/environments.ts';
import type { SecretsIntent } from '../../core/manifest-writer.ts';
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
} from '../planning/decision.ts';
import { environmentTrailer, noEnvironment, type Placement, placementOf } from '../planning/placement.ts';
import { renderTenant } from '../render/tenant.ts';
import type { FileChange } from '../repository/manifest-repository.ts';
import { type OwnSecret, readSecrets } from './read-secrets.ts';
import { whyOtherSource, whySecretTaken } from './secret-claims.ts';
import { repositoryOfSecret, secretOfFile, secretPath } from './secret-file.ts';
import { defaultSecretRules } from './secret-rules.ts';

/** One commit that makes a repository's secrets what its `secrets.yml` says: added, changed and removed. */
export function planSecrets(intent: SecretsIntent, context: PlanningContext): PlannedIntent {
  const { owner, ownerId, repo, documents } = intent;
  const refusal = (message: string): PlannedIntent => ({
    paths: [],
    decide: async () => refused('manifest_refused', message),
  });
  const badName = whyNotOwner(owner);
  if (badName !== undefined) return { paths: [], decide: async () => refused('name_invalid', badName) };
  if (!RepoName.safeParse(repo).success) return refusal('the repository has no valid name');
  const placement = placementOf(intent.environment, context);
  if (!placement) return noEnvironment(intent.environment ?? '', context);
  const place = { owner, ownerId, repo, namespace: placement.namespace };
  const reading = readSecrets(documents, place, context.secrets ?? defaultSecretRules);
  if ('problem' in reading) return refusal(`secrets.yml: ${reading.problem}`);
  return {
    paths: [],
    decide: (view) => decide(view, { intent, context, placement, secrets: reading.secrets }),
  };
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
