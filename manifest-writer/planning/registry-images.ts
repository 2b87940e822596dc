import { TowlineError } from '../../core/errors.ts';
import { parseImageReference } from '../../core/image-reference.ts';
import { createHttpImageRegistry } from '../../runtime/registry/image-registry-http.ts';
import { createFolderRegistryAccess } from '../../runtime/registry/registry-access-folder.ts';
import type { RegistryPattern } from '../../runtime/registry/registry-pattern.ts';

export interface RegistryImages extends AsyncDisposable {
  /** Whether the registry still has it. Throws if that cannot be known, as of another registry's image. */
  has(image: string): Promise<boolean>;
}

const timeoutMs = 10_000;
/** Credentials are the installation's own, in nobody's name. */
const nobody = 'installation';

/** The images that the installation's builds have pushed. */
export function openRegistryImages(
  registry: RegistryPattern,
  /** Folder with Docker's `config.json`; without it the registry is asked anonymously. */
  configDir: string | undefined,
): RegistryImages {
  const images = createHttpImageRegistry(
    createFolderRegistryAccess({ dir: configDir ?? '/nonexistent', allowed: [registry] }),
  );
  return {
    async has(name) {
      const image = parseImageReference(name);
      if (!image) return false;
      try {
        await images.resolve({ ownerId: nobody, image, signal: AbortSignal.timeout(timeoutMs) });
        return true;
      } catch (error) {
        if (error instanceof TowlineError && error.code === 'image_not_found') return false;
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => images[Symbol.asyncDispose](),
  };
}
