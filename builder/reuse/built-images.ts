/** Whose function. Images are never shared between owners, whatever they hold. */
export interface BuiltFunction {
  ownerId: string;
  repo: string;
  functionName: string;
}

export interface BuiltImage {
  /** Full reference, ending in `@sha256:…`. */
  image: string;
  /** The commit it was built of. */
  sourceCommit: string;
  /** Milliseconds since the epoch. */
  builtAt: number;
}

/** Images kept per function: enough to go back and forth between branches and reverts. */
export const keptPerFunction = 10;

/** Which image was built of which content, so that what hasn't changed isn't built again. Losing it costs builds only. */
export interface BuiltImages {
  find(of: BuiltFunction, contentHash: string): BuiltImage | undefined;
  /** Replaces what is known of the content; of each function the newest `keptPerFunction` stay. */
  put(of: BuiltFunction, contentHash: string, built: BuiltImage): void;
  /** The image is gone. */
  remove(of: BuiltFunction, contentHash: string): void;
  /** Forgets what was built, and not found since, before a time (milliseconds since the epoch). */
  removeOlderThan(before: number): void;
}
