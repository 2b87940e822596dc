import { z } from 'zod';
import type { PlatformEvent } from '../events.ts';
import { type Call, fields, maybeText, text } from './call.ts';
import { PushRecordFields } from './records.ts';

/** What crosses processes: `log.line` has a call of its own, and `function.changed` comes from each one's own catalog. */
export type SharedEvent = Extract<
  PlatformEvent,
  { type: 'push.changed' | 'history.changed' | 'hold.ended' | 'removals.changed' }
>;
export type SharedEventType = SharedEvent['type'];

type Of<T extends SharedEventType> = Extract<SharedEvent, { type: T }>;
const whose = { ownerId: text, owner: text };

const SharedEventFields = z.union([
  fields<Of<'push.changed'>>({ type: z.literal('push.changed'), ...whose, push: PushRecordFields }),
  fields<Of<'history.changed'>>({
    type: z.literal('history.changed'),
    ...whose,
    environment: maybeText,
    functionName: text,
    commit: text,
  }),
  fields<Of<'hold.ended'>>({
    type: z.literal('hold.ended'),
    ...whose,
    functionName: text,
    buildId: text,
  }),
  fields<Of<'removals.changed'>>({ type: z.literal('removals.changed'), ...whose }),
]);

/** A place in the sequence of one run of a service. */
export interface FeedPosition {
  /** Of the run: another one's numbers mean nothing. */
  epoch: string;
  n: number;
}

export type FeedItem =
  /** Events after the position that was asked for follow; `isComplete: false`: some before it are lost. */
  | { type: 'begin'; epoch: string; n: number; isComplete: boolean }
  | { type: 'event'; n: number; event: SharedEvent };

const FeedItemFields: z.ZodType<FeedItem> = z.union([
  fields<Extract<FeedItem, { type: 'begin' }>>({
    type: z.literal('begin'),
    epoch: text,
    n: z.number(),
    isComplete: z.boolean(),
  }),
  fields<Extract<FeedItem, { type: 'event' }>>({
    type: z.literal('event'),
    n: z.number(),
    event: SharedEventFields,
  }),
]);

/** The events of a service from a position on, or from now on. */
export const eventsCall = {
  input: fields<{ after: FeedPosition | null }>({
    after: fields<FeedPosition>({ epoch: text, n: z.number() }).nullable(),
  }),
  item: FeedItemFields,
  output: z.void(),
  repeatable: true,
  endless: true,
} satisfies Call;
