import type { Artifact } from './artifact-store.ts';
import type { OutputTail } from './output-tail.ts';

export interface InstanceSpec {
  artifact: Artifact;
  port: number;
  /** The whole environment: nothing is inherited. */
  environment: Record<string, string>;
  /** Gets everything that the function prints to people, as it comes. */
  onOutput: (chunk: Buffer) => void;
  limits: ForkLimits;
}

/** Bounds of the modes that fork one process per request. */
export interface ForkLimits {
  /** Processes at the same time; more requests get 429. */
  maxForks: number;
  /** Bytes that `serializing` buffers of one answer. */
  maxResponseBytes: number;
}

/** One running version of a function, behind one port of 127.0.0.1. */
export interface Instance {
  readonly origin: string;
  readonly tail: OutputTail;
  /** Resolves with how it ended, in words, once none of its processes is left. */
  readonly ended: Promise<string>;
  /** Asks it to finish what it has begun and end. */
  terminate(): void;
  /** Ends all of its processes now. */
  kill(): void;
}
