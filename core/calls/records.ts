import { z } from 'zod';
import {
  type DeployCause,
  type DeployRecord,
  type DeployStep,
  deployStages,
  deployStates,
  type LogLine,
  type PushRecord,
} from '../deploy.ts';
import { errorCodes, type SourcePlace } from '../errors.ts';
import type { Person } from '../source-event.ts';
import { fields, maybeText, text, textOrNull, time } from './call.ts';

/** Names as forges and accounts have them; the stricter rules are for what comes from outside. */
export const PersonFields = fields<Person>({ name: text, email: text, login: text });

export const SourcePlaceFields = fields<SourcePlace>({
  file: text,
  line: z.number().optional(),
  column: z.number().optional(),
});

const DeployCauseFields = fields<DeployCause>({
  code: z.enum(errorCodes),
  message: text,
  place: SourcePlaceFields.optional(),
  hint: maybeText,
});

const Stage = z.enum(deployStages);

export const DeployRecordFields = fields<DeployRecord>({
  id: text,
  pushId: text,
  owner: text,
  ownerId: text,
  repo: text,
  branch: text,
  environment: maybeText,
  functionName: textOrNull,
  sourceCommit: text,
  sourceSubject: text,
  actor: PersonFields,
  state: z.enum(deployStates),
  stage: Stage,
  cause: DeployCauseFields.nullable(),
  waiting: maybeText,
  steps: z.array(fields<DeployStep>({ stage: Stage, startedAt: time, endedAt: time.nullable() })),
  image: textOrNull,
  gitopsCommit: textOrNull,
  number: z.number().nullable(),
  warnings: z.array(text),
  createdAt: time,
  updatedAt: time,
});

export const PushRecordFields = fields<PushRecord>({
  id: text,
  owner: text,
  ownerId: text,
  repo: text,
  ref: text,
  before: text,
  after: text,
  actor: PersonFields,
  state: z.enum(['queued', 'running', 'done']),
  stackRead: maybeText,
  note: textOrNull,
  deploys: z.array(DeployRecordFields),
  createdAt: time,
  updatedAt: time,
});

export const LogLineFields = fields<LogLine>({
  n: z.number(),
  time,
  functionName: textOrNull,
  stage: Stage,
  kind: z.enum(['phase', 'output', 'warning', 'error']),
  text,
});
