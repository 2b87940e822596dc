import { z } from 'zod';

/**
 * How an artifact of the `process` engine is run; lies as `artifact.json` beside its `root/` folder.
 * The modes are of-watchdog's: `http` keeps one process that serves HTTP itself; `streaming` and
 * `serializing` fork one process per request and speak over stdin and stdout.
 */
export const ArtifactDescriptor = z.object({
  version: z.literal(1),
  language: z.string(),
  mode: z.enum(['http', 'streaming', 'serializing']),
  /** Program and arguments, run in `root/`. */
  command: z.array(z.string()).min(1),
  /** From the template; a function's own environment goes over it. */
  environment: z.record(z.string(), z.string()),
});
export type ArtifactDescriptor = z.infer<typeof ArtifactDescriptor>;

/** In the artifact store: `<store>/<64 hex>/artifact.json` and `<store>/<64 hex>/root/…`. */
export const artifactFiles = { descriptor: 'artifact.json', root: 'root' } as const;

/** The registry part of image names made by the process engine: nothing can be pulled from it. */
export const artifactRegistry = 'artifact.towline.internal';
