/** What a `Host` header names, read against the root domain. */
export type HostKind =
  | { kind: 'owner'; owner: string }
  /** The root domain itself, or the platform's public host. */
  | { kind: 'platform' }
  /** More than one label below the root domain, or one that no owner can have. */
  | { kind: 'nobody' }
  /** An IP address or another domain. */
  | { kind: 'elsewhere' }
  | { kind: 'malformed' };

const authority = /^([a-z0-9_.-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?$/;
const ownerLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

const platform: HostKind = { kind: 'platform' };
const nobody: HostKind = { kind: 'nobody' };
const elsewhere: HostKind = { kind: 'elsewhere' };
const malformed: HostKind = { kind: 'malformed' };

/** The host name alone, lower case, without port and final dot; `undefined` if it isn't one. */
function hostName(header: string): string | undefined {
  const match = authority.exec(header.toLowerCase());
  const name = match?.[1];
  if (name === undefined || Number(match?.[2] ?? 0) > 65_535) return undefined;
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  return bare === '' || bare.startsWith('.') || bare.includes('..') || bare.endsWith('.') ? undefined : bare;
}

/** Reads `Host` headers for one root domain; `platformHosts` are further names of the platform itself. */
export function createHostReader(rootDomain: string, platformHosts: readonly string[]) {
  const below = `.${rootDomain.toLowerCase()}`;
  const own = new Set([rootDomain, ...platformHosts].map((name) => name.toLowerCase()));
  return (header: string | undefined): HostKind => {
    const name = header === undefined ? undefined : hostName(header);
    if (name === undefined) return malformed;
    if (own.has(name)) return platform;
    if (!name.endsWith(below)) return elsewhere;
    const owner = name.slice(0, -below.length);
    return ownerLabel.test(owner) ? { kind: 'owner', owner } : nobody;
  };
}
