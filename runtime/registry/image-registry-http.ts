import { createHash } from 'node:crypto';
import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import { formatImageReference, type ImageReference } from '../../core/image-reference.ts';
import type { FoundImage, ImageRegistry } from './image-registry.ts';
import type { OwnerRegistries, RegistryAccess } from './registry-access.ts';
import { createRegistryHttp, type RegistryAnswer, type RegistryHttpOptions } from './registry-http.ts';
import { allowingPattern, type RegistryPattern } from './registry-pattern.ts';
import { openRegistrySession, parseJson } from './registry-session.ts';

const Platform = z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() });
const Index = z.object({
  manifests: z.array(
    z.object({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/), platform: Platform.optional() }),
  ),
});
/** Charts, signatures and the like lie in registries too, but don't run. */
const Manifest = z.object({ config: z.object({ mediaType: z.string() }) });
const imageConfigs: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);
const indexTypes: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);
const manifestTypes: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]);

const defaults: RegistryHttpOptions = {
  timeoutMs: 15_000,
  maxTries: 3,
  retry: { firstMs: 250, maxMs: 4000 },
};

function notAllowed(image: ImageReference): TowlineError {
  const name = `${image.registry}/${image.repository}`;
  return new TowlineError('policy_refused', `images of ${name} are not allowed in this installation`, {
    hint: 'an operator allows a registry, or a folder of one, with TOWLINE_REGISTRIES',
  });
}

function notRunnable(image: ImageReference, what: string): TowlineError {
  return new TowlineError(
    'image_not_found',
    `${formatImageReference(image)} is ${what}, not a container image`,
  );
}

function mediaTypeOf({ headers }: RegistryAnswer): string {
  return (
    String(headers['content-type'] ?? '')
      .split(';', 1)[0]
      ?.trim()
      .toLowerCase() ?? ''
  );
}

/** Of the bytes themselves: what the registry says about them is not asked. */
function verifiedDigest(answer: RegistryAnswer, image: ImageReference): string {
  const digest = `sha256:${createHash('sha256').update(answer.body).digest('hex')}`;
  if (image.digest === undefined || image.digest === digest) return digest;
  throw new TowlineError('registry_unavailable', `${image.registry} gave another image than ${image.digest}`);
}

function forPlatform(index: z.infer<typeof Index>, platform: string, image: ImageReference): string {
  const [os, architecture, variant] = platform.split('/');
  const found = index.manifests.find(
    ({ platform: one }) =>
      one?.os === os &&
      one?.architecture === architecture &&
      (variant === undefined || one?.variant === variant),
  );
  if (found) return found.digest;
  throw new TowlineError('image_not_found', `${formatImageReference(image)} is not made for ${platform}`);
}

function judged(answer: RegistryAnswer, image: ImageReference, platform: string | undefined): FoundImage {
  const mediaType = mediaTypeOf(answer);
  const digest = verifiedDigest(answer, image);
  const content = parseJson(answer.body);
  if (indexTypes.has(mediaType)) {
    const index = Index.safeParse(content).data;
    if (!index) throw notRunnable(image, 'an index that cannot be read');
    return { digest: platform === undefined ? digest : forPlatform(index, platform, image), mediaType };
  }
  if (!manifestTypes.has(mediaType)) throw notRunnable(image, `of the type "${mediaType.slice(0, 100)}"`);
  const config = Manifest.safeParse(content).data?.config.mediaType;
  if (config === undefined || !imageConfigs.has(config)) throw notRunnable(image, 'something else');
  return { digest, mediaType };
}

/** The OCI distribution API: our own, since what npm has for it was last kept in 2017. */
export function createHttpImageRegistry(
  access: RegistryAccess,
  options: Partial<RegistryHttpOptions> = {},
): ImageRegistry & AsyncDisposable {
  const http = createRegistryHttp({ ...defaults, ...options });

  async function allowed(
    ownerId: string,
    image: ImageReference,
  ): Promise<{ owner: OwnerRegistries; pattern: RegistryPattern }> {
    const owner = await access.of(ownerId);
    const pattern = allowingPattern(owner.allowed, image);
    if (!pattern) throw notAllowed(image);
    return { owner, pattern };
  }

  return {
    assertAllowed: async (ownerId, image) => void (await allowed(ownerId, image)),
    async resolve({ ownerId, image, platform, signal }) {
      const { owner, pattern } = await allowed(ownerId, image);
      const session = openRegistrySession({ http, pattern, owner, image, signal });
      const answer = await session.manifest(image.digest ?? image.tag ?? 'latest');
      return judged(answer, image, platform);
    },
    [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
  };
}
