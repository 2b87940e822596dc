import { z } from 'zod';
import { functionAccess } from '../../core/function-access.ts';
import { digestOf } from '../../core/names.ts';

/** One function as the GitOps repository asks for it: what to run, and where it came from. */
export const DesiredFunction = z.object({
  owner: z.string(),
  ownerId: z.string(),
  functionName: z.string(),
  /** Ends in `@sha256:…`. */
  image: z.string(),
  environment: z.record(z.string(), z.string()),
  /** Names of secrets; not given: none. */
  secrets: z.array(z.string()).optional(),
  /** Kubernetes quantities; not given: the installation's own. */
  limits: z.object({ cpu: z.string().optional(), memory: z.string().optional() }).optional(),
  repo: z.string(),
  branch: z.string(),
  sourceCommit: z.string(),
  /** Why deploys of it wait; nothing of how it runs. Not in state folders of earlier releases. */
  hold: z
    .object({ by: z.string().nullable(), since: z.number().nullable(), reason: z.string() })
    .nullable()
    .default(null),
  /** Whose requests it takes; nothing of how it runs. Not in state folders of earlier releases, which knew public ones only. */
  access: z.enum(functionAccess).default('public'),
});
export type DesiredFunction = z.infer<typeof DesiredFunction>;

/** What it is started from: two versions with the same key need no restart between them. */
export function runKey(version: DesiredFunction): string {
  const environment = Object.entries(version.environment).sort(([a], [b]) => (a < b ? -1 : 1));
  const { cpu, memory } = version.limits ?? {};
  const rest = [environment, [...(version.secrets ?? [])].sort(), cpu, memory];
  return JSON.stringify([digestOf(version.image) ?? version.image, ...rest]);
}

/** How people recognise a version: the first seven characters of its source commit. */
export function shortVersion(version: DesiredFunction): string {
  return version.sourceCommit.slice(0, 7) || (digestOf(version.image)?.slice(7, 14) ?? version.image);
}
