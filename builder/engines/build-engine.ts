import type { Template } from '../templates/template.ts';
import type { LinePart } from './output-lines.ts';

export interface BuildRequest {
  buildId: string;
  owner: string;
  /** The owner's lasting id, by which it has rights at registries of base images; without it, none. */
  ownerId?: string | undefined;
  repo: string;
  functionName: string;
  /** The assembled build context; the engine may write into it, the caller removes it. */
  contextDir: string;
  /** `null`: the language is `dockerfile`, and the context brings its own Dockerfile. */
  template: Template | null;
  /** Of stack.yml, its `build_options` joined in. */
  buildArgs: Record<string, string>;
  /** Values by id, for `RUN --mount=type=secret,id=…`: never in layers, arguments, files of the context or output. */
  secrets: Record<string, string>;
  /** Every step is run, whatever is remembered of earlier builds. */
  noCache?: boolean | undefined;
  /** As `linux/amd64`; empty: the engine's own. */
  platforms: string[];
  /** What is built is named so, without a digest: `<engine.registry>/<owner>/<repo>-<function>:<tag>`. */
  image: string;
  /** OCI labels of the image. */
  labels: Record<string, string>;
  /** Milliseconds for the whole build; then `build_timeout` is thrown. */
  timeoutMs: number;
  /** One line of output, without its line end, or a piece of a long one. May be called tens of thousands of times. */
  onLine: (line: string, part?: LinePart) => void;
  /** A step of the build began, in a few words. */
  onPhase?: ((text: string) => void) | undefined;
  signal: AbortSignal;
}

export interface BuildResult {
  /** `sha256:<64 hex>` of what was built: the same content has the same digest. */
  digest: string;
  sizeBytes: number;
}

/** Makes an image, or an artifact, from a build context. Adapters: BuildKit, the Docker Engine, plain processes. */
export interface BuildEngine {
  readonly name: string;
  /** The registry part of the names of what this engine builds. */
  readonly registry: string;
  /** Whether images that others built, named by a registry and a digest, can run where this engine's do. */
  readonly runsImages: boolean;
  /** Of all builds, a function's own going over them: another value makes another image. Default: none. */
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  /**
   * Safe to call concurrently. Throws `build_failed` with the cause in one sentence, `build_timeout`, or
   * `engine_unavailable` and `registry_unavailable` for what passes by itself: the caller waits and tries again.
   * A build that is aborted or killed leaves nothing half-done behind.
   */
  build(request: BuildRequest): Promise<BuildResult>;
  /** Whether the image, a full reference with its digest, can still be deployed. */
  has(image: string): Promise<boolean>;
}
