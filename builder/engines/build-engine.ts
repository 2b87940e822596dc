import type { Template } from '../templates/template.ts';

export interface BuildRequest {
  buildId: string;
  owner: string;
  repo: string;
  functionName: string;
  /** The assembled build context; the engine may write into it, the caller removes it. */
  contextDir: string;
  template: Template;
  buildArgs: Record<string, string>;
  /** Milliseconds for the whole build; then `build_timeout` is thrown. */
  timeoutMs: number;
  /** One line of output, without its line end. May be called tens of thousands of times. */
  onLine: (line: string) => void;
  signal: AbortSignal;
}

export interface BuildResult {
  /** `sha256:<64 hex>` of what was built: the same content has the same digest. */
  digest: string;
  sizeBytes: number;
}

/** Makes an image, or an artifact, from a build context. Adapters: plain processes; later BuildKit, Docker, prebuilt images. */
export interface BuildEngine {
  readonly name: string;
  /** The registry part of the names of what this engine builds. */
  readonly registry: string;
  /**
   * Safe to call concurrently. Throws `build_failed` with the cause in one sentence, or `build_timeout`.
   * A build that is aborted or killed leaves nothing half-done behind.
   */
  build(request: BuildRequest): Promise<BuildResult>;
  /** Whether the digest can still be deployed. */
  has(digest: string): Promise<boolean>;
}
