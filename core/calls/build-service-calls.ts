import { z } from 'zod';
import { functionStatuses, type PendingDeploys } from '../catalog.ts';
import { FunctionConfiguration } from '../function-spec.ts';
import type { AnnouncedImage } from '../images.ts';
import type { Person } from '../source-event.ts';
import { type Call, type CallContract, fields, maybeText, readTimeoutMs, text, textOrNull } from './call.ts';
import { eventsCall } from './event-calls.ts';
import { DeployRecordFields, LogLineFields, PersonFields, PushRecordFields } from './records.ts';

/** What `PendingDeploys` says of one function; no `answer`: nothing any more. */
export interface PendingEntry {
  owner: string;
  environment: string;
  functionName: string;
  answer: NonNullable<ReturnType<PendingDeploys['pending']>> | null;
}

/** A whole table comes first, in parts: the first of them takes the place of what was known before. */
export interface PendingItem {
  isFirst: boolean;
  entries: PendingEntry[];
}

const PendingItemFields = fields<PendingItem>({
  isFirst: z.boolean(),
  entries: z.array(
    fields<PendingEntry>({
      owner: text,
      environment: text,
      functionName: text,
      answer: fields<NonNullable<PendingEntry['answer']>>({
        status: z.enum(functionStatuses),
        reason: text,
        publicReason: text,
      }).nullable(),
    }),
  ),
});

const Announced = fields<AnnouncedImage>({
  owner: text,
  ownerId: text,
  functionName: text,
  image: text,
  scm: z.enum(['git', 'github', 'gitlab']),
  repository: fields<AnnouncedImage['repository']>({
    id: text,
    name: text,
    url: text,
    private: z.boolean(),
  }),
  commit: text,
  ref: text,
  before: textOrNull,
  subject: text,
  run: fields<NonNullable<AnnouncedImage['run']>>({ of: text, number: z.number() }).nullable(),
  actor: PersonFields,
  configuration: FunctionConfiguration.nullable(),
});

function read<Input extends z.ZodType, Output extends z.ZodType>(input: Input, output: Output) {
  return { input, output, repeatable: true, timeoutMs: readTimeoutMs } satisfies Call;
}

const ById = fields<{ id: string }>({ id: text });

/** `BuildService` and `PendingDeploys` between processes. */
export const buildServiceContract = {
  name: 'build-service',
  calls: {
    pushes: read(
      fields<{ owner: string; repo?: string | undefined; limit?: number | undefined }>({
        owner: text,
        repo: maybeText,
        limit: z.number().optional(),
      }),
      z.array(PushRecordFields),
    ),
    push: read(ById, PushRecordFields.optional()),
    deploy: read(ById, DeployRecordFields.optional()),
    latestDeploys: read(
      fields<{ owner?: string | undefined; environment?: string | undefined }>({
        owner: maybeText,
        environment: maybeText,
      }),
      z.array(DeployRecordFields),
    ),
    heldDeploys: read(
      fields<{ owner?: string | undefined }>({ owner: maybeText }),
      z.array(DeployRecordFields),
    ),
    // The same announcement again is a duplicate.
    announce: {
      input: Announced,
      output: fields<{ id: string; duplicate: boolean }>({ id: text, duplicate: z.boolean() }),
      repeatable: true,
      timeoutMs: readTimeoutMs,
    },
    log: {
      input: fields<{ pushId: string; after: number }>({ pushId: text, after: z.number() }),
      item: LogLineFields,
      output: z.void(),
      repeatable: true,
      endless: true,
    },
    // Every time is another push.
    rebuild: {
      input: fields<{ pushId: string; actor: Person; force?: boolean | undefined }>({
        pushId: text,
        actor: PersonFields,
        force: z.boolean().optional(),
      }),
      output: text,
      repeatable: false,
      timeoutMs: readTimeoutMs,
    },
    // The second time there is nothing left to stop.
    cancel: {
      input: fields<{ pushId: string; actor: Person }>({ pushId: text, actor: PersonFields }),
      output: z.void(),
      repeatable: false,
      timeoutMs: readTimeoutMs,
    },
    pending: {
      input: z.object({}),
      item: PendingItemFields,
      output: z.void(),
      repeatable: true,
      endless: true,
    },
    events: eventsCall,
  },
} satisfies CallContract;
