import type { FunctionSpec, Provenance } from '../../core/function-spec.ts';
import { functionOfPath, tenantPath } from '../paths.ts';
import { secretNames } from '../render/metadata.ts';
import { renderTenant } from '../render/tenant.ts';
import type { FileChange } from '../repository/manifest-repository.ts';
import { whySecretTaken } from '../secrets/secret-claims.ts';
import type { BranchView } from './branch-view.ts';
import { tenantClaim, whyNameTaken, whyOtherRepository } from './claims.ts';
import { type Decision, refused } from './decision.ts';
import type { FunctionPlacement } from './placement.ts';

/** Who asks for which function, in which environment. */
export interface Claimant {
  spec: FunctionSpec;
  provenance: Pick<Provenance, 'owner' | 'ownerId' | 'repo'>;
  place: FunctionPlacement;
}

/** Names, folders, secrets and quotas are each environment's own: why they stand against a function, or the sentinel it needs. */
export async function claimsOf(
  view: BranchView,
  claimant: Claimant,
): Promise<{ refusal: Decision } | { refusal?: never; changes: FileChange[] }> {
  const { spec, provenance, place } = claimant;
  const { environment, namespace, path } = place;
  const tenant = await tenantClaim(view, spec.owner, provenance.ownerId, environment);
  if (tenant.type === 'refused') return { refusal: refused('name_taken', tenant.message) };
  const taken =
    (await whyNameTaken(view, spec.owner, spec.functionName, environment)) ??
    whyOtherRepository(await view.text(path), spec.functionName, provenance.repo);
  if (taken !== undefined) return { refusal: refused('name_taken', taken) };
  const forbidden = (await whyNotSecrets(view, claimant)) ?? (await whyOverQuota(view, claimant));
  if (forbidden !== undefined) return { refusal: refused('manifest_refused', forbidden) };
  if (tenant.type === 'own') return { changes: [] };
  const content = renderTenant({ owner: spec.owner, ownerId: provenance.ownerId, namespace });
  return { changes: [{ path: tenantPath(spec.owner, environment), content }] };
}

/** A secret's object name can be another tenant's, just as a function's can. */
async function whyNotSecrets(view: BranchView, { spec, place }: Claimant): Promise<string | undefined> {
  for (const name of secretNames(spec)) {
    if ((await whySecretTaken(view, spec.owner, name, place.environment)) !== undefined) {
      return `the secret "${name}" is not one of this owner's; rename it`;
    }
  }
  return undefined;
}

async function whyOverQuota(view: BranchView, { provenance, place }: Claimant): Promise<string | undefined> {
  const { policy, path } = place;
  if ((await view.text(path)) !== null) return undefined;
  const folder = path.slice(0, path.lastIndexOf('/'));
  const files = await view.files(folder);
  const present = files.filter((file) => functionOfPath(`${folder}/${file}`) !== undefined).length;
  return policy.whyNotOneMore(present, provenance);
}
