/** An image's name, taken apart; what was left out is filled in as Docker does. */
export interface ImageReference {
  /** Host and port, as `docker.io`, `ghcr.io` or `localhost:5000`. */
  registry: string;
  /** As `library/alpine` or `acme/shop/cart`. */
  repository: string;
  /** `undefined` only if there is a digest. */
  tag?: string | undefined;
  /** `sha256:<64 hex>`. */
  digest?: string | undefined;
}

/** Longer ones can't be written to a manifest; the names alone may have 255 characters. */
const maxLength = 500;
const maxName = 255;
const pathSegment = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const hostLabel = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;
const ipv6Host = /^\[[0-9a-fA-F:.]{2,45}\](?::(?<port>\d{1,5}))?$/;

export const dockerHub = 'docker.io';

function isPort(port: string | undefined): boolean {
  return port === undefined || (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535);
}

/** Whether `text` is a registry's host, with or without a port. */
export function isRegistryHost(text: string): boolean {
  const literal = ipv6Host.exec(text);
  if (literal) return isPort(literal.groups?.['port']);
  const [host = '', port, ...more] = text.split(':');
  if (more.length > 0 || !isPort(port) || host.length > 253) return false;
  return host.split('.').every((label) => hostLabel.test(label));
}

/** Docker's rule: the first segment is a registry if it could not be a folder's name on Docker Hub. */
function splitRegistry(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  const isHost = /[.:[]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  if (!isHost) {
    return { registry: dockerHub, repository: slash === -1 ? `library/${name}` : name };
  }
  const rest = name.slice(slash + 1);
  const registry = first.toLowerCase();
  if (registry !== dockerHub && registry !== 'index.docker.io') return { registry, repository: rest };
  return { registry: dockerHub, repository: rest.includes('/') ? rest : `library/${rest}` };
}

/** `undefined` for what isn't a reference to an image. Source: the distribution project's reference grammar. */
export function parseImageReference(text: string): ImageReference | undefined {
  if (text.length > maxLength) return undefined;
  const at = text.indexOf('@');
  const digest = at === -1 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !digestPattern.test(digest)) return undefined;
  const named = at === -1 ? text : text.slice(0, at);
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const tag = colon === -1 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !tagPattern.test(tag)) return undefined;
  const { registry, repository } = splitRegistry(colon === -1 ? named : named.slice(0, colon));
  if (!isRegistryHost(registry) || registry.length + repository.length >= maxName) return undefined;
  if (!repository.split('/').every((segment) => pathSegment.test(segment))) return undefined;
  return { registry, repository, tag: tag ?? (digest === undefined ? 'latest' : undefined), digest };
}

/** Whole and unambiguous: the registry is always there. */
export function formatImageReference({ registry, repository, tag, digest }: ImageReference): string {
  const tagged = tag === undefined ? '' : `:${tag}`;
  return `${registry}/${repository}${tagged}${digest === undefined ? '' : `@${digest}`}`;
}
