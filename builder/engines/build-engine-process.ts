import { TowlineError } from '../../core/errors.ts';
import type { BuildEngine } from './build-engine.ts';

export interface ProcessEngineConfig {
  /** The artifact store: `<artifactsDir>/<64 hex>/{artifact.json,root/}`. */
  artifactsDir: string;
  /** Caches that builds share (npm, pip). */
  workDir: string;
  /** The builds' `PATH`. */
  path: string;
  /** Default: 512 MiB. */
  maxArtifactBytes?: number | undefined;
  /** Each build gets a fresh, empty home in here, removed at its end. */
  homeDir: string;
}

/** Builds with plain child processes of the platform's own user: fine for one's own code, unsafe for strangers'. */
export async function createProcessEngine(
  config: ProcessEngineConfig,
): Promise<BuildEngine & AsyncDisposable> {
  throw new TowlineError('internal', `not built yet: ${config.artifactsDir}`);
}
