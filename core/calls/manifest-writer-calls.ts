import { z } from 'zod';
import { errorCodes } from '../errors.ts';
import { FunctionConfiguration, type FunctionSpec, type Provenance } from '../function-spec.ts';
import {
  type CurrentFunction,
  commitKinds,
  type DeployIntent,
  type HeldDeployQuery,
  type HistoryEntry,
  type HistoryQuery,
  type HoldIntent,
  type ManifestDiff,
  type PendingRemoval,
  type PromoteIntent,
  type RemovalAnswer,
  type RemoveIntent,
  type RevertIntent,
  type SecretsIntent,
  type UndoIntent,
  type WriteDelay,
  type WriteOutcome,
  type WrittenFunction,
} from '../manifest-writer.ts';
import { RemovedTogether } from '../source-event.ts';
import {
  type Call,
  type CallContract,
  fields,
  maybeText,
  readTimeoutMs,
  text,
  textOrNull,
  time,
} from './call.ts';
import { eventsCall } from './event-calls.ts';
import { PersonFields } from './records.ts';

const Texts = z.record(text, text);
const Resources = z.object({ cpu: maybeText, memory: maybeText });
const list = z.array(text);
const flag = z.boolean().optional();
const count = z.number().optional();
const trigger = z.enum(['push', 'rebuild']);

const Deploy = fields<DeployIntent>({
  buildId: text,
  trigger,
  answeredBy: maybeText,
  environment: maybeText,
  spec: fields<FunctionSpec>({
    owner: text,
    functionName: text,
    image: text,
    environment: Texts,
    secrets: list,
    labels: Texts,
    annotations: Texts,
    limits: Resources,
    requests: Resources,
    constraints: list,
    readOnlyRootFilesystem: z.boolean(),
  }),
  provenance: fields<Provenance>({
    owner: text,
    ownerId: text,
    repo: text,
    branch: text,
    sourceCommit: text,
    scm: z.enum(['git', 'github', 'gitlab']),
    private: z.boolean(),
    repoUrl: text,
  }),
  sourceSubject: text,
  actor: PersonFields,
});

/** Of a change of one function. */
const place = { owner: text, ownerId: text, environment: maybeText, functionName: text };
const wish = { reason: text, actor: PersonFields };

const Remove = fields<RemoveIntent>({
  owner: text,
  ownerId: text,
  environment: maybeText,
  functionNames: list,
  scope: z.enum(['functions', 'named', 'repository', 'tenant']).optional(),
  repo: text,
  sourceCommit: textOrNull,
  ...wish,
  confirmedBy: PersonFields.optional(),
  newest: Texts.optional(),
  together: RemovedTogether.optional(),
});

const Revert = fields<RevertIntent>({
  ...place,
  ...wish,
  toCommit: text,
  expectedCommit: maybeText,
  hold: flag,
});
const Undo = fields<UndoIntent>({ ...place, ...wish, commit: text });
const Hold = fields<HoldIntent>({ ...place, ...wish });

const Promote = fields<PromoteIntent>({
  owner: text,
  ownerId: text,
  functionName: text,
  from: text,
  to: text,
  ...wish,
  commit: maybeText,
  buildId: maybeText,
  trigger: trigger.optional(),
  answeredBy: maybeText,
});

const Secrets = fields<SecretsIntent>({
  owner: text,
  ownerId: text,
  environment: maybeText,
  repo: text,
  sourceCommit: textOrNull,
  documents: text,
  actor: PersonFields,
});

type Outcome<T extends WriteOutcome['type']> = Extract<WriteOutcome, { type: T }>;
const written = z.array(
  fields<WrittenFunction>({ functionName: text, number: z.number(), warnings: list.optional() }),
);

const Outcome: z.ZodType<WriteOutcome> = z.union([
  fields<Outcome<'pushed'>>({ type: z.literal('pushed'), commit: text, written }),
  fields<Outcome<'unchanged'>>({ type: z.literal('unchanged'), commit: text, written }),
  fields<Outcome<'skipped'>>({ type: z.literal('skipped'), reason: text }),
  fields<Outcome<'held'>>({ type: z.literal('held'), reason: text }),
  fields<Outcome<'needs-confirmation'>>({
    type: z.literal('needs-confirmation'),
    id: text,
    functionNames: list,
    limit: z.number(),
    message: text,
  }),
  fields<Outcome<'refused'>>({ type: z.literal('refused'), code: z.enum(errorCodes), message: text }),
  fields<Outcome<'conflict'>>({ type: z.literal('conflict'), message: text }),
]);

const Delay = fields<WriteDelay>({ code: z.enum(errorCodes), message: text, since: time });

const Entry = fields<HistoryEntry>({
  commit: text,
  owner: text,
  functionName: text,
  environment: maybeText,
  number: z.number(),
  kind: z.enum(commitKinds),
  subject: text,
  author: fields<HistoryEntry['author']>({ name: text, email: text }),
  committedAt: time,
  sourceCommit: textOrNull,
  source: textOrNull,
  image: textOrNull,
  buildId: textOrNull,
  actor: textOrNull,
  reason: textOrNull,
  reverts: textOrNull,
  restores: z.number().nullable(),
  revertedBy: z.number().nullable(),
  direct: z.boolean(),
  current: z.boolean(),
  present: z.boolean(),
});

const Removal = fields<PendingRemoval>({
  id: text,
  owner: text,
  ownerId: text,
  environment: maybeText,
  repo: text,
  reason: text,
  actor: text,
  functionNames: list,
  limit: z.number(),
  askedAt: time,
  state: z.enum(['waiting', 'rejected']),
});

/** What becomes a commit. */
export interface WriteInput<Intent> {
  intent: Intent;
  /** Of the intent: asked again by the same one, it is the same intent. */
  id: string;
  /** Whether the caller waits through delays; else one is an error. */
  isPatient: boolean;
}

function write<Intent>(intent: z.ZodType<Intent>) {
  return {
    input: fields<WriteInput<Intent>>({ intent, id: text.min(1).max(200), isPatient: z.boolean() }),
    item: Delay.nullable(),
    output: Outcome,
    repeatable: true,
  } satisfies Call;
}

function read<Input extends z.ZodType, Output extends z.ZodType>(input: Input, output: Output) {
  return { input, output, repeatable: true, timeoutMs: readTimeoutMs } satisfies Call;
}

/** Where a file of the repository is. */
interface FilePlace {
  owner: string;
  environment?: string | undefined;
  functionName: string;
}

const filePlace = { owner: text, environment: maybeText, functionName: text };
const Answer = fields<RemovalAnswer>({ ownerId: text, id: text, actor: PersonFields });

/** `ManifestWriter` and `GitOpsCommits` between processes. */
export const manifestWriterContract = {
  name: 'manifest-writer',
  calls: {
    // By its build, which both sides know, a deploy asked twice is one commit; the others are known by `id`.
    deploy: write(Deploy),
    remove: write(Remove),
    revert: write(Revert),
    secrets: write(Secrets),
    undo: write(Undo),
    hold: write(Hold),
    resume: write(Hold),
    promote: write(Promote),
    afterHold: read(fields<HeldDeployQuery>({ ...filePlace, buildId: text }), Outcome),
    // Once it is withdrawn, or was released, it stays so.
    withdraw: {
      input: fields<HeldDeployQuery & { reason: string }>({ ...filePlace, buildId: text, reason: text }),
      output: Outcome,
      repeatable: true,
    },
    removals: read(fields<{ ownerId?: string | undefined }>({ ownerId: maybeText }), z.array(Removal)),
    // The removal is gone after the first time.
    confirmRemoval: { input: Answer, output: Outcome, repeatable: false },
    rejectRemoval: { input: Answer, output: z.boolean(), repeatable: true },
    history: read(
      fields<HistoryQuery>({
        owner: text,
        environment: maybeText,
        functionName: maybeText,
        limit: count,
        before: maybeText,
      }),
      z.array(Entry),
    ),
    diff: read(
      fields<FilePlace & { from: string | null; to: string }>({ ...filePlace, from: textOrNull, to: text }),
      fields<ManifestDiff>({ from: textOrNull, to: text, unified: text, summary: list }),
    ),
    at: read(fields<FilePlace & { commit: string }>({ ...filePlace, commit: text }), text),
    configuration: read(fields<FilePlace>(filePlace), FunctionConfiguration.optional()),
    current: read(
      fields<{ owner?: string | undefined; environment?: string | undefined }>({
        owner: maybeText,
        environment: maybeText,
      }),
      z.array(
        fields<CurrentFunction>({
          owner: text,
          environment: text,
          functionName: text,
          path: text,
          blob: text,
          repo: textOrNull,
        }),
      ),
    ),
    contains: read(fields<{ head: string; commit: string }>({ head: text, commit: text }), z.boolean()),
    wantedDigest: read(
      fields<FilePlace & { commit: string }>({ ...filePlace, commit: text }),
      text.nullish(),
    ),
    look: read(fields<{ commit?: string | undefined }>({ commit: maybeText }), z.boolean()),
    events: eventsCall,
  },
} satisfies CallContract;
