import { z } from 'zod';

/**
 * `failure`: the user can mend it; `error`: the platform has to. `neutral`: nothing was to be done, or it waits for a
 * person; `cancelled`: a newer push or a person stopped it.
 */
export const reportStates = [
  'queued',
  'running',
  'success',
  'failure',
  'error',
  'neutral',
  'cancelled',
] as const;
export type ReportState = (typeof reportStates)[number];

const Annotation = z.object({
  path: z.string(),
  /** Counts from 1. */
  line: z.number().int().min(1),
  level: z.enum(['warning', 'failure']),
  message: z.string(),
});
export type Annotation = z.infer<typeof Annotation>;

/** What a commit's author is to see of one context: of the push, or of one of its functions. */
export const StatusReport = z.object({
  scm: z.enum(['git', 'github', 'gitlab']),
  repository: z.object({
    /** The forge's id. */
    id: z.string(),
    /** As the forge writes it: `Alice/shop`. */
    path: z.string(),
  }),
  installationId: z.string().optional(),
  owner: z.string(),
  commit: z.string(),
  ref: z.string(),
  /** `towline`, or `towline/<function>`. */
  context: z.string(),
  functionName: z.string().nullable(),
  environment: z.string(),
  pushId: z.string(),
  /** `null` for the push as a whole. */
  deployId: z.string().nullable(),
  state: z.enum(reportStates),
  /** One line, 140 characters at most. */
  text: z.string(),
  /** Markdown, in which nothing of a user's stands as it came. */
  summary: z.string(),
  logUrl: z.string(),
  /** Of the live function. */
  functionUrl: z.string().nullable(),
  annotations: z.array(Annotation),
  /** Milliseconds since the epoch. */
  startedAt: z.number(),
  endedAt: z.number().nullable(),
});
export type StatusReport = z.infer<typeof StatusReport>;

export const isFinal = ({ state }: Pick<StatusReport, 'state'>) => state !== 'queued' && state !== 'running';
