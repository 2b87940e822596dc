import { setInterval } from 'node:timers';
import { AuditEvent, type AuditTrail } from '../../core/audit.ts';
import type { BackoffOptions } from '../backoff.ts';
import type { Logger } from '../logger.ts';
import { createDispatcher } from '../outbox/dispatcher.ts';
import type { OutboxCounts, ReportOutcome, WaitingEntry } from '../outbox/outbox.ts';
import { createSqliteOutbox } from '../outbox/outbox-sqlite.ts';
import { openPrivateDatabase } from '../private-database.ts';
import { type AuditWebhookConfig, postAudit } from './audit-webhook.ts';

export interface AuditTrailConfig {
  /** A SQLite file of its own. */
  path: string;
  /** Who is told besides the log. */
  webhook?: AuditWebhookConfig | undefined;
  /** A command beside a running program: that one logs and posts what is recorded here. */
  isCommand?: boolean | undefined;
  retry?: BackoffOptions | undefined;
  /** Milliseconds between looks for what commands recorded. Default: 5 s. */
  lookEveryMs?: number | undefined;
}

export interface OpenAuditTrail extends AuditTrail, AsyncDisposable {
  counts(): OutboxCounts;
  /** Resolves when what is due was tried. */
  settled(): Promise<void>;
}

const own = 'audit';
const commands = 'audit-of-commands';
const defaultLookEveryMs = 5000;

/**
 * Every event is a log line (`"msg":"audit"`) and, with a webhook, a post that is tried until it arrives. What was
 * recorded survives the process.
 */
export function openAuditTrail(
  config: AuditTrailConfig,
  { logger, now = Date.now }: { logger: Logger; now?: (() => number) | undefined },
): OpenAuditTrail {
  const { webhook, isCommand = false } = config;
  const database = openPrivateDatabase(config.path, { timeout: 5000 });
  // The death of the process takes nothing; of a power cut the log's lines are left.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
  const outbox = createSqliteOutbox(database);
  const since = outbox.since(now());

  async function send(entry: WaitingEntry, signal: AbortSignal): Promise<ReportOutcome> {
    const event = AuditEvent.parse(JSON.parse(entry.payload));
    return webhook ? postAudit(webhook, event, { now: now(), signal }) : { type: 'reported' };
  }

  const dispatcher = isCommand
    ? undefined
    : createDispatcher({ outbox, send, logger, now, retry: config.retry });

  /** The log doesn't wait for the receiver. A death in between logs one twice rather than never. */
  function logOfCommands(): void {
    for (const { key, payload } of outbox.ofChannel(commands)) {
      logger.info({ audit: AuditEvent.parse(JSON.parse(payload)) }, 'audit');
      outbox.giveTo(own, key);
    }
  }

  function look(): void {
    try {
      logOfCommands();
    } catch (err) {
      logger.error({ err }, 'what commands recorded could not be logged yet');
    }
    dispatcher?.wake();
  }

  const looking = dispatcher && setInterval(look, config.lookEveryMs ?? defaultLookEveryMs);
  looking?.unref();
  if (dispatcher) look();

  function record(event: AuditEvent): void {
    // What was before there was a trail is no news, though it is found again by whoever looks back at a start.
    if (event.time < since) return;
    const channel = isCommand ? commands : own;
    const entry = {
      ...{ key: `${own}:${event.id}`, channel, destination: own, owner: event.owner ?? '' },
      ...{ order: 0, isFinal: true, payload: JSON.stringify(event) },
    };
    if (!outbox.putOnce(entry, now())) return;
    if (!isCommand) logger.info({ audit: event }, 'audit');
    dispatcher?.wake();
  }

  return {
    record(event) {
      try {
        record(event);
      } catch (err) {
        logger.error({ err, audit: event }, 'an audit event could not be kept');
      }
    },
    counts: () => outbox.counts(),
    settled: async () => dispatcher?.settled(),
    async [Symbol.asyncDispose]() {
      clearInterval(looking);
      await dispatcher?.[Symbol.asyncDispose]();
      if (database.isOpen) database.close();
    },
  };
}
