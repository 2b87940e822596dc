import { towlineAnnotations } from '../../core/function-spec.ts';
import { objectName } from '../../core/names.ts';
import { isFunction, manifestPath, tenantPath } from '../paths.ts';
import { readFunction } from '../render/read-function.ts';
import { tenantOwnerId } from '../render/tenant.ts';
import type { BranchView } from './branch-view.ts';
import { type Decision, refused } from './decision.ts';

/** The repository that a manifest says it comes from; `null` if it doesn't say. */
export function repositoryOf(manifest: string): string | null {
  return readFunction(manifest)?.metadata.annotations[towlineAnnotations.repo] ?? null;
}

/** Why this owner cannot have the object's name: another tenant computes the same one. Never says who. */
export async function whyNameTaken(
  view: BranchView,
  owner: string,
  functionName: string,
  environment?: string,
): Promise<string | undefined> {
  const name = objectName(owner, functionName);
  for (const [otherOwner, otherName] of splits(name)) {
    if (otherOwner === owner) continue;
    if ((await view.text(manifestPath(otherOwner, otherName, environment))) !== null) {
      return `the name "${name}" is already taken in this installation; rename the function "${functionName}"`;
    }
  }
  return undefined;
}

/** Every owner and function that compute the same object name. */
function splits(name: string): [string, string][] {
  return [...name.matchAll(/-/g)]
    .map(({ index }): [string, string] => [name.slice(0, index), name.slice(index + 1)])
    .filter(([owner, functionName]) => isFunction(owner, functionName));
}

/** Why another repository of the same owner may not write this function. */
export function whyOtherRepository(
  manifest: string | null,
  functionName: string,
  repo: string,
): string | undefined {
  const other = manifest === null ? null : repositoryOf(manifest);
  if (other === null || other === repo) return undefined;
  return `the function "${functionName}" is already deployed from the repository "${other}"; rename it in one of the two`;
}

export type TenantClaim = { type: 'new' } | { type: 'own' } | { type: 'refused'; message: string };

/** Why a change of deployed functions is not this account's to ask for; `undefined` if it is. */
export async function whyNotTheirs(
  view: BranchView,
  { owner, ownerId }: { owner: string; ownerId: string },
  environment: string,
): Promise<Decision | undefined> {
  const claim = await tenantClaim(view, owner, ownerId, environment);
  return claim.type === 'refused' ? refused('name_taken', claim.message) : undefined;
}

/** Whether the tenant's folder belongs to this owner id: slugs can be given anew, ids cannot. */
export async function tenantClaim(
  view: BranchView,
  owner: string,
  ownerId: string,
  environment?: string,
): Promise<TenantClaim> {
  const text = await view.text(tenantPath(owner, environment));
  if (text === null) return { type: 'new' };
  const claimed = tenantOwnerId(text);
  if (claimed === ownerId) return { type: 'own' };
  const message =
    claimed === undefined
      ? `${tenantPath(owner, environment)} in the GitOps repository cannot be read; an operator must mend it`
      : `the owner "${owner}" belongs to another account in the GitOps repository`;
  return { type: 'refused', message };
}
