import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import { type ImageReference, parseImageReference } from '../../core/image-reference.ts';
import type { RegistryCredentials } from '../../runtime/registry/registry-access.ts';
import { createRegistryHttp } from '../../runtime/registry/registry-http.ts';
import type { RegistryPattern } from '../../runtime/registry/registry-pattern.ts';
import { openRegistrySession, parseJson } from '../../runtime/registry/registry-session.ts';

export interface PushedImagesOptions {
  /** As images are named: a host, perhaps with folders. */
  registry: string;
  isInsecure: boolean;
  credentials: () => Promise<RegistryCredentials | undefined>;
}

/** The images that the platform's own engine has pushed. */
export interface PushedImages extends AsyncDisposable {
  /** Bytes of the layers as they are stored, of all platforms. */
  sizeOf(image: string, signal: AbortSignal): Promise<number>;
  has(image: string): Promise<boolean>;
}

const Manifest = z.object({
  config: z.object({ size: z.number() }).optional(),
  layers: z.array(z.object({ size: z.number() })).optional(),
  manifests: z
    .array(z.object({ digest: z.string(), size: z.number() }))
    .max(1000)
    .optional(),
});

const timeouts = { timeoutMs: 15_000, maxTries: 3, retry: { firstMs: 250, maxMs: 4000 } };
const hasTimeoutMs = 60_000;

export function createPushedImages(options: PushedImagesOptions): PushedImages {
  const http = createRegistryHttp(timeouts);
  const [registry = '', ...folder] = options.registry.split('/');
  const pattern: RegistryPattern = { scheme: options.isInsecure ? 'http' : 'https', registry, folder };

  async function manifest(image: ImageReference, reference: string, signal: AbortSignal) {
    const credentials = await options.credentials();
    const owner = { allowed: [pattern], credentials: () => credentials };
    const session = openRegistrySession({ http, pattern, owner, image, signal });
    const { body } = await session.manifest(reference);
    const content = Manifest.safeParse(parseJson(body)).data;
    if (!content)
      throw new TowlineError('registry_unavailable', `${registry} gave a manifest that can't be read`);
    return { content, bytes: body.length };
  }

  async function size(image: ImageReference, reference: string, signal: AbortSignal): Promise<number> {
    const { content, bytes } = await manifest(image, reference, signal);
    const parts = [...(content.layers ?? []), ...(content.config ? [content.config] : [])];
    let total = bytes + parts.reduce((sum, part) => sum + part.size, 0);
    for (const { digest } of content.manifests ?? []) total += await size(image, digest, signal);
    return total;
  }

  function own(image: string): (ImageReference & { digest: string }) | undefined {
    const reference = parseImageReference(image);
    if (reference?.digest === undefined || !image.startsWith(`${options.registry}/`)) return undefined;
    return { ...reference, digest: reference.digest };
  }

  return {
    async sizeOf(image, signal) {
      const reference = own(image);
      if (!reference) throw new TowlineError('internal', `${image} is not in ${options.registry}`);
      return size(reference, reference.digest, signal);
    },
    async has(image) {
      const reference = own(image);
      if (!reference) return false;
      try {
        await manifest(reference, reference.digest, AbortSignal.timeout(hasTimeoutMs));
        return true;
      } catch (error) {
        if (error instanceof TowlineError && error.code === 'image_not_found') return false;
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
  };
}
