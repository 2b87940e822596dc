import { whyNotFunction, whyNotOwner } from '../core/names.ts';

export const tenantsFolder = 'tenants';

export function tenantFolder(owner: string): string {
  return `${tenantsFolder}/${owner}`;
}

export function tenantPath(owner: string): string {
  return `${tenantFolder(owner)}/tenant.yaml`;
}

/** Only for checked names: both are single DNS labels, so the path cannot leave the tenant's folder. */
export function manifestPath(owner: string, functionName: string): string {
  return `${tenantFolder(owner)}/${functionName}.yaml`;
}

/** Whose manifest a path is; `undefined` for every other file. */
export function functionOfPath(path: string): { owner: string; functionName: string } | undefined {
  const match = /^tenants\/([^/]+)\/([^/]+)\.yaml$/.exec(path);
  const [, owner, functionName] = match ?? [];
  if (owner === undefined || functionName === undefined) return undefined;
  return isFunction(owner, functionName) ? { owner, functionName } : undefined;
}

export function isFunction(owner: string, functionName: string): boolean {
  return whyNotOwner(owner) === undefined && whyNotFunction(owner, functionName) === undefined;
}
