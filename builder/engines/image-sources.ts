import type { ImageReference } from '../../core/image-reference.ts';
import {
  allowingPattern,
  hostName,
  isLoopbackHost,
  parseRegistryPattern,
  publicRegistries,
  type RegistryPattern,
} from '../../runtime/registry/registry-pattern.ts';

/** Which images a build may use: nothing that is not named here. */
export interface ImageSources {
  /** The registry that the platform pushes to, perhaps with folders; not given: it pushes nowhere. */
  registry?: string | undefined;
  /** Of that registry: the owner's, and those for everybody. One that begins with `/` begins at the host. */
  folders: readonly string[];
  /** Of all others. */
  allowed: readonly RegistryPattern[];
}

/** For builds of nobody in particular. */
export const publicPatterns: readonly RegistryPattern[] = publicRegistries.flatMap(
  (registry) => parseRegistryPattern(registry) ?? [],
);

/** What Dockerfiles name in `# syntax=`. */
const frontend = 'docker.io/docker/dockerfile';

/** Whether two hosts lead to one registry, by what their names alone say. */
function isSameHost(one: string, other: string): boolean {
  const [a, b] = [one, other].map((host) => host.toLowerCase().replace(/:(?:443|80)$/, ''));
  if (a === b) return true;
  const isLocal = [one, other].every((host) => isLoopbackHost(hostName(host)));
  return isLocal && portOf(one) === portOf(other);
}

function portOf(host: string): string {
  return /:(\d+)$/.exec(host)?.[1] ?? '';
}

/**
 * The beginnings of the names of all images that may be used, by whole segments. The platform's own host is spoken to
 * with the account that pushes, which may read all of it: of that host only the folders count, whatever else is allowed.
 */
export function allowedPrefixes({ registry, folders, allowed }: ImageSources): string[] {
  const [host = ''] = registry?.split('/') ?? [];
  const own = registry === undefined ? [] : folders.map((folder) => folderName(registry, host, folder));
  const others = allowed
    .filter((pattern) => registry === undefined || !isSameHost(pattern.registry, host))
    .map((pattern) => [pattern.registry, ...pattern.folder].join('/'));
  return [frontend, ...own, ...others];
}

function folderName(registry: string, host: string, folder: string): string {
  return folder.startsWith('/') ? host + folder : `${registry}/${folder}`;
}

/** Whether the image may be used. */
export function isAllowedSource(sources: ImageSources, image: ImageReference): boolean {
  const patterns = allowedPrefixes(sources).map((prefix): RegistryPattern => {
    const [registry = '', ...folder] = prefix.split('/');
    return { scheme: 'https', registry: registry.toLowerCase(), folder };
  });
  return allowingPattern(patterns, image) !== undefined;
}
