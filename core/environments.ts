/** Where a push to a source repository's main branch goes; its manifests lie below `tenants/`. */
export const defaultEnvironment = 'default';

const dnsLabel = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

/** Why `name` cannot be an environment, or `undefined` if it can: it is a folder and a part of names. */
export function whyNotEnvironment(name: string): string | undefined {
  if (dnsLabel.test(name)) return undefined;
  return 'an environment is 1 to 32 lower-case letters, digits and inner hyphens';
}
