import type { Logger } from '../../runtime/logger.ts';
import type { SupervisorConfig } from './config.ts';
import type { DesiredFunction } from './desired-function.ts';
import type { Instance } from './instance.ts';

/** Brings up one instance of a version. */
export interface Starter {
  /** Resolves with a healthy instance. Throws `unhealthy` or `image_gone` with the cause; leaves nothing behind then. */
  start(version: DesiredFunction, onOutput: (chunk: Buffer) => void, signal: AbortSignal): Promise<Instance>;
  /** Resolves once nothing is left of the instances that have ended by now, nor of what they started. */
  cleared(): Promise<void>;
  /** Ends what an earlier supervisor of the same state folder has left running, and says how much it was. */
  endOrphans(): Promise<number>;
}

export interface StarterDeps {
  /** Random and lasting: by it, what a killed supervisor has left running is known. */
  marker: string;
  homesDir: string;
  logger: Logger;
  random: () => number;
}

/** Adapters: processes of this machine, containers of a Docker Engine. */
export type MakeStarter = (config: SupervisorConfig, deps: StarterDeps) => Starter;
