/** What became of one try to tell somebody something. */
export type ReportOutcome =
  | { type: 'reported' }
  /** It would never work: it isn't tried again. */
  | { type: 'refused'; reason: string }
  /**
   * Worth another try, at `retryAt` (milliseconds since the epoch) if who was asked said when. `holds`: who has to wait;
   * only this report, all of this owner's, or all that is for the same destination.
   */
  | { type: 'later'; reason: string; holds: 'report' | 'owner' | 'forge'; retryAt?: number | undefined };

/** What a channel keeps about what it made; durable when `set` returns. */
export interface ReportMemory {
  get(name: string): string | undefined;
  set(name: string, value: string | null): void;
}

export interface OutboxEntry {
  /** One entry waits per key: a newer one takes its place. */
  key: string;
  /** Who tells it. */
  channel: string;
  /** Who is asked: a forge, or a receiver of audit events. Waits together if it is away. */
  destination: string;
  /** Whose it is: entries of one owner go one after the other. */
  owner: string;
  /** Of two entries with one key the one with the greater number counts, whatever comes last. */
  order: number;
  isFinal: boolean;
  /** JSON. */
  payload: string;
}

export interface WaitingEntry extends OutboxEntry {
  /** Counts what was put under this key. */
  generation: number;
  /** Tries of this generation that failed. */
  attempts: number;
  /** Milliseconds since the epoch. */
  putAt: number;
}

export interface OutboxCounts {
  waiting: number;
  /** When the oldest of them was put, in milliseconds since the epoch. */
  oldestPutAt: number | null;
  /** Never told, because it was not wanted. */
  refused: number;
}

/** What others are still to be told. Durable when a call returns; a newer entry of a key replaces one that waits. */
export interface Outbox {
  /** `false`: there is nothing new in it. */
  put(entry: OutboxEntry, now: number): boolean;
  /** The first of a key stays; `false`: there was one. */
  putOnce(entry: OutboxEntry, now: number): boolean;
  /** Of every owner at every destination the entry that waits longest, if it is due. */
  due(now: number): WaitingEntry[];
  /** When the next one is due, in milliseconds since the epoch. */
  nextDueAt(): number | undefined;
  /** Ends this generation; a newer one goes on waiting. */
  sent(entry: WaitingEntry): void;
  refused(entry: WaitingEntry, reason: string): void;
  /** To be tried again then. */
  postpone(entry: WaitingEntry, dueAt: number, reason: string): void;
  /** Up to a thousand of a channel, the oldest first, whether they wait or have been told. */
  ofChannel(channel: string): OutboxEntry[];
  /** From now on it is this channel's. */
  giveTo(channel: string, key: string): void;
  /** What is kept about a key, or shared by a channel under a name of its own. Goes with the key's entry. */
  memory(key: string): ReportMemory;
  counts(): OutboxCounts;
  /**
   * Forgets what was told before, and gives up the oldest that wait beyond `maxWaiting` for one destination, so that none
   * pushes out what is for another: those that are not final first. Gives those given up.
   */
  prune(before: number, maxWaiting: number): OutboxEntry[];
  /** When this outbox was made, in milliseconds since the epoch: nothing older is told. */
  since(now: number): number;
}
