import { defaultEnvironment } from './environments.ts';

const maxLabel = 63;
const maxOwner = 39;

/**
 * What the objects that apply a tenant's folder are called: Flux's Kustomization, ExternalArtifact and service account,
 * Argo CD's Application and AppProject. No owner has a dot, so no two tenants have one name.
 */
export function tenantObject(owner: string, environment: string = defaultEnvironment): string {
  return environment === defaultEnvironment ? `tenant-${owner}` : `tenant-${owner}.${environment}`;
}

/** What sets the tenant up in the cluster, where that is handed over tenant by tenant: an artifact and a Kustomization. */
export function setUpObject(owner: string, environment: string = defaultEnvironment): string {
  return environment === defaultEnvironment ? `set-up-${owner}` : `set-up-${owner}.${environment}`;
}

/** The namespace of a tenant's functions, in a cluster where each tenant has one. */
export function tenantNamespace(owner: string, environment: string = defaultEnvironment): string {
  return `${namespacePrefix(environment)}${owner}`;
}

/**
 * Why tenants cannot have namespaces in this environment, or `undefined` if they can. No environment's prefix begins
 * with another's, so that no two tenants have one namespace, whatever they are called.
 */
export function whyNotTenantEnvironment(environment: string): string | undefined {
  if (environment === defaultEnvironment) return undefined;
  if (environment.split('-').includes('tenant')) {
    return `"${environment}" has the word "tenant", by which the namespaces of environments are told apart`;
  }
  const longest = maxLabel - maxOwner - namespacePrefix('').length;
  if (environment.length <= longest) return undefined;
  return `"${environment}" is longer than the ${longest} characters that leave room for an owner in a namespace`;
}

function namespacePrefix(environment: string): string {
  return environment === defaultEnvironment ? 'tenant-' : `${environment}-tenant-`;
}
