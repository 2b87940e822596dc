import { defaultEnvironment, whyNotEnvironment } from '../core/environments.ts';
import { whyNotFunction, whyNotOwner } from '../core/names.ts';

/** Where a function's manifest lies: an environment is a path prefix of the repository. */
export interface FunctionPlace {
  environment: string;
  owner: string;
  functionName: string;
}

export const tenantsFolder = 'tenants';

/** Only for checked names, as all below. */
export function environmentFolder(environment: string = defaultEnvironment): string {
  return environment === defaultEnvironment ? tenantsFolder : `environments/${environment}/${tenantsFolder}`;
}

export function tenantFolder(owner: string, environment?: string): string {
  return `${environmentFolder(environment)}/${owner}`;
}

export function tenantPath(owner: string, environment?: string): string {
  return `${tenantFolder(owner, environment)}/tenant.yaml`;
}

/** Only for checked names: both are single DNS labels, so the path cannot leave the tenant's folder. */
export function manifestPath(owner: string, functionName: string, environment?: string): string {
  return `${tenantFolder(owner, environment)}/${functionName}.yaml`;
}

const manifest = /^(?:environments\/([^/]+)\/)?tenants\/([^/]+)\/([^/]+)\.yaml$/;

/** Whose manifest a path is; `undefined` for every other file. */
export function functionOfPath(path: string): FunctionPlace | undefined {
  const match = manifest.exec(path);
  if (!match) return undefined;
  const [, named, owner = '', functionName = ''] = match;
  if (named === defaultEnvironment) return undefined;
  const environment = named ?? defaultEnvironment;
  if (whyNotEnvironment(environment) !== undefined || !isFunction(owner, functionName)) return undefined;
  return { environment, owner, functionName };
}

/** Whether a function of these names could have a manifest. */
export function isPlace(place: {
  owner: string;
  functionName: string;
  environment?: string | undefined;
}): boolean {
  const { owner, functionName, environment = defaultEnvironment } = place;
  return whyNotEnvironment(environment) === undefined && isFunction(owner, functionName);
}

export function isFunction(owner: string, functionName: string): boolean {
  return whyNotOwner(owner) === undefined && whyNotFunction(owner, functionName) === undefined;
}

const tenantFile = /^(?:environments\/([^/]+)\/)?tenants\/([^/]+)\/.+$/;

/** In whose folder a file is, whatever it is; `undefined` for every other file. */
export function folderOwner(path: string): { environment: string; owner: string } | undefined {
  const [, environment = defaultEnvironment, owner = ''] = tenantFile.exec(path) ?? [];
  if (whyNotEnvironment(environment) !== undefined || whyNotOwner(owner) !== undefined) return undefined;
  return { environment, owner };
}
