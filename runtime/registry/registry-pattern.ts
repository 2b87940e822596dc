import { type ImageReference, isRegistryHost, parseImageReference } from '../../core/image-reference.ts';

/** A registry, or a folder of one, that images may come from. */
export interface RegistryPattern {
  scheme: 'http' | 'https';
  registry: string;
  /** The first segments of the repository; empty: all of the registry. */
  folder: string[];
}

/** Public, spoken to by https only: none of them leads into the installation's own network. */
export const publicRegistries = [
  'docker.io',
  'ghcr.io',
  'quay.io',
  'gcr.io',
  'mcr.microsoft.com',
  'public.ecr.aws',
  'registry.gitlab.com',
  'registry.k8s.io',
];

/** `localhost:5000` → `localhost`, `[::1]:5000` → `::1`. */
export function hostName(registry: string): string {
  const literal = /^\[(.+)\](?::\d+)?$/.exec(registry)?.[1];
  return literal ?? registry.replace(/:\d+$/, '');
}

/** A registry on this very machine may be spoken to without TLS, as Docker does. */
export function isLoopbackHost(name: string): boolean {
  return name === 'localhost' || name === '::1' || /^127(?:\.\d{1,3}){3}$/.test(name);
}

/**
 * `ghcr.io`, `ghcr.io/acme`, `ghcr.io/acme/*` or, for a registry without TLS that is not on this machine,
 * `http://registry.internal:5000`. `undefined` for what is none of these.
 */
export function parseRegistryPattern(text: string): RegistryPattern | undefined {
  const [, scheme, rest = ''] = /^(?:(https?):\/\/)?(.+?)(?:\/\*?)?$/.exec(text.trim()) ?? [];
  const [registry = '', ...folder] = rest.toLowerCase().split('/');
  if (!isRegistryHost(registry)) return undefined;
  if (folder.length > 0 && parseImageReference(`${registry}/${folder.join('/')}/x`) === undefined)
    return undefined;
  // A lone word is a folder of Docker Hub to some and a host to others: a host has a dot or a port, or is localhost.
  if (!/[.:[]/.test(registry) && registry !== 'localhost') return undefined;
  const usual = isLoopbackHost(hostName(registry)) ? 'http' : 'https';
  return { scheme: (scheme as 'http' | 'https' | undefined) ?? usual, registry, folder };
}

/** By whole segments: `ghcr.io/acme` does not allow `ghcr.io/acme-evil/x`. */
function allows(pattern: RegistryPattern, image: ImageReference): boolean {
  if (pattern.registry !== image.registry) return false;
  const segments = image.repository.split('/');
  return pattern.folder.every((segment, index) => segments[index] === segment);
}

/** The pattern that allows the image, or `undefined`: it is not allowed. */
export function allowingPattern(
  patterns: readonly RegistryPattern[],
  image: ImageReference,
): RegistryPattern | undefined {
  return patterns.find((pattern) => allows(pattern, image));
}

/** Where the registry's API is. Docker Hub's is not where its images are named after. */
export function registryOrigin({ scheme, registry }: RegistryPattern): string {
  return registry === 'docker.io' ? 'https://registry-1.docker.io' : `${scheme}://${registry}`;
}
