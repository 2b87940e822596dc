import type { ImageReference } from '../../core/image-reference.ts';

export interface ImageQuestion {
  /** Whose images: decides which registries may be asked, and with what credentials. */
  ownerId: string;
  image: ImageReference;
  /** As `linux/arm64`: of an image for many platforms, the one for this. */
  platform?: string | undefined;
  signal: AbortSignal;
}

export interface FoundImage {
  /** `sha256:<64 hex>` of the manifest, computed from its bytes. */
  digest: string;
  /** Of the manifest or the index of manifests. */
  mediaType: string;
}

/** What registries hold, asked with an owner's rights. Adapter: the OCI distribution API over HTTP. */
export interface ImageRegistry {
  /** Throws `policy_refused` if the owner may not use images of that registry. Asks nobody but the configuration. */
  assertAllowed(ownerId: string, image: ImageReference): Promise<void>;
  /**
   * What the reference means now. Throws `policy_refused` before any connection is made, `image_not_found`,
   * `image_forbidden`, `config_invalid` for credentials that cannot be used, and `registry_unavailable` for what passes by itself.
   */
  resolve(question: ImageQuestion): Promise<FoundImage>;
}
