import type { ImageReference } from '../../core/image-reference.ts';
import type { SourceEvent } from '../../core/source-event.ts';
import type { StackFunction } from '../stack/stack.ts';

export interface PrebuiltRequest {
  fn: StackFunction;
  /** The clone's root; only the function's own Dockerfile is of interest. */
  sourceDir: string;
  repository: SourceEvent['repository'];
  signal: AbortSignal;
}

export interface PrebuiltImage {
  /** Full reference, ending in `@sha256:…`. */
  image: string;
  /** For the log: what was resolved to what. */
  text: string;
}

/** Images that others built and that are deployed as they are. */
export interface PrebuiltImages {
  /**
   * `undefined`: the function has to be built. Throws `image_not_found`, `image_forbidden` or `policy_refused` with the
   * place, or `registry_unavailable`, which the caller waits out.
   */
  find(request: PrebuiltRequest): Promise<PrebuiltImage | undefined>;
  /** By the configuration alone. Throws `policy_refused`. */
  assertAllowed(of: { owner: string; ownerId: string }, image: ImageReference): Promise<void>;
  /** Whether the image is where it says. Throws as `find` does. */
  check(of: { owner: string; ownerId: string }, image: ImageReference, signal: AbortSignal): Promise<void>;
}
