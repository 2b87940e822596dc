import type { LogLine, PushRecord } from '../../core/deploy.ts';
import type { EventBus, PlatformEvent } from '../../core/events.ts';
import type { ManifestWriter } from '../../core/manifest-writer.ts';
import type { BackoffOptions } from '../../runtime/backoff.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Delivery } from '../deliveries/delivery-log.ts';
import { AuditEvent, auditOfHistory, auditOfPush, auditOfRequests } from './audit-event.ts';
import { type AuditWebhookConfig, postAudit } from './audit-webhook.ts';
import { createBuildPhases } from './build-phases.ts';
import { type DescribeOptions, describePush } from './describe-push.ts';
import { createDispatcher } from './dispatcher.ts';
import type { Outbox, OutboxCounts, WaitingEntry } from './outbox.ts';
import { isFinal, StatusReport } from './status-report.ts';
import type { ReportOutcome, StatusReporter } from './status-reporter.ts';

export interface FeedbackConfig extends Pick<DescribeOptions, 'origin'> {
  /** By the name that their reports are kept under; it must stay the same. */
  reporters: Readonly<Record<string, StatusReporter>>;
  /** Who is told what people did, besides the log. */
  auditWebhook?: AuditWebhookConfig | undefined;
  retry?: BackoffOptions | undefined;
}

export interface FeedbackDeps {
  outbox: Outbox;
  events: EventBus;
  logger: Logger;
  functionUrl: DescribeOptions['functionUrl'];
  /** What the push came of; `undefined` if it is not known any more. */
  deliveryOf(pushId: string): Promise<Pick<Delivery, 'event' | 'origin' | 'cancelledBy'> | undefined>;
  /** Pushes that changed since, oldest first. */
  changedSince(time: number): Iterable<PushRecord>;
  /** How many pushes of its repository have to end first. */
  ahead(push: PushRecord): number;
  log(pushId: string, signal: AbortSignal): AsyncIterable<LogLine>;
  history: ManifestWriter['history'];
  now: () => number;
}

/** Tells forges what becomes of the commits that were pushed there. It is fed by events and holds up nothing. */
export interface Feedback extends AsyncDisposable {
  /** Puts what changed while nobody listened, as before a death, into the outbox. */
  start(): Promise<void>;
  /** What still waits, and what the forges would not have. */
  counts(): OutboxCounts;
  /** Resolves when all that was told of so far is in the outbox, and what is due was tried. */
  settled(): Promise<void>;
}

/** What is compared with the outbox at a start. */
const lookBackMs = 7 * 24 * 60 * 60_000;
const maxLines = 3000;
/** A log that is still written has no end: what is there by then is what is shown. */
const readMs = 500;
const auditChannel = 'audit';
/** Among them is the commit that an event tells of. */
const newestEntries = 20;

export function createFeedback(config: FeedbackConfig, deps: FeedbackDeps): Feedback {
  const { outbox, logger, now } = deps;
  const since = outbox.since(now());
  const phases = createBuildPhases();
  const stop = new AbortController();
  /** The newest record of each push that is still to be put into the outbox. */
  const fresh = new Map<string, PushRecord>();
  let working: Promise<void> | undefined;

  async function linesOf({ pushId, functionName }: StatusReport): Promise<LogLine[]> {
    const lines: LogLine[] = [];
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(readMs)]);
    try {
      for await (const line of deps.log(pushId, signal)) {
        const isIts =
          functionName === null || line.functionName === null || line.functionName === functionName;
        if (isIts) lines.push(line);
        if (lines.length > maxLines * 2) lines.splice(0, maxLines);
      }
    } catch (error) {
      logger.debug({ err: error, pushId }, 'a log could not be read for feedback');
    }
    return lines;
  }

  async function sendAudit(entry: WaitingEntry, signal: AbortSignal): Promise<ReportOutcome> {
    const { auditWebhook } = config;
    if (!auditWebhook) return { type: 'reported' };
    return postAudit(auditWebhook, AuditEvent.parse(JSON.parse(entry.payload)), { now: now(), signal });
  }

  async function send(entry: WaitingEntry, signal: AbortSignal): Promise<ReportOutcome> {
    if (entry.channel === auditChannel) return sendAudit(entry, signal);
    const reporter = config.reporters[entry.channel];
    if (!reporter) return { type: 'refused', reason: `nobody tells ${entry.channel} any more` };
    const report = StatusReport.parse(JSON.parse(entry.payload));
    return reporter.report(report, {
      memory: outbox.memory(entry.key),
      shared: outbox.memory(entry.channel),
      logLines: () => linesOf(report),
      signal,
    });
  }

  const dispatcher = createDispatcher({ outbox, send, logger, now, retry: config.retry });

  function put(report: StatusReport, order: number): void {
    for (const [channel, reporter] of Object.entries(config.reporters)) {
      const key = reporter.keyOf(report);
      if (key === null) continue;
      const entry = {
        key: `${channel}:${key}`,
        channel,
        destination: report.scm,
        owner: report.owner,
        order,
        isFinal: isFinal(report),
        payload: JSON.stringify(report),
      };
      if (outbox.put(entry, now())) dispatcher.wake();
    }
  }

  /** Logged when it is news, and kept until it is told. */
  function audit(event: AuditEvent): void {
    const entry = {
      ...{ key: `${auditChannel}:${event.id}`, channel: auditChannel, destination: auditChannel },
      ...{ owner: event.owner, order: 0, isFinal: true, payload: JSON.stringify(event) },
    };
    if (!outbox.put(entry, now())) return;
    logger.info({ audit: event }, 'audit');
    dispatcher.wake();
  }

  async function take(push: PushRecord): Promise<void> {
    for (const each of auditOfPush(push, config.origin)) audit(each);
    const delivery = await deps.deliveryOf(push.id);
    if (!delivery) return;
    for (const each of auditOfRequests(push, delivery, config.origin)) audit(each);
    const options = {
      origin: config.origin,
      functionUrl: deps.functionUrl,
      ahead: push.state === 'queued' ? deps.ahead(push) : 0,
      phaseOf: phases.of,
    };
    for (const report of describePush(push, delivery.event, options)) put(report, push.createdAt);
  }

  /** What can't be put now is found again at the next start, by the records. */
  async function tryToTake(push: PushRecord): Promise<void> {
    try {
      await take(push);
    } catch (error) {
      logger.error({ err: error, pushId: push.id }, 'feedback could not be kept');
    }
  }

  async function work(): Promise<void> {
    for (const [id, push] of fresh) {
      fresh.delete(id);
      if (stop.signal.aborted) return;
      await tryToTake(push);
    }
  }

  function startWork(): void {
    working = work().finally(() => {
      working = undefined;
      if (fresh.size > 0 && !stop.signal.aborted) startWork();
    });
  }

  function changed(push: PushRecord): void {
    phases.keep(push);
    if (push.createdAt < since && push.updatedAt < since) return;
    fresh.delete(push.id);
    fresh.set(push.id, push);
    if (!working) startWork();
  }

  type HistoryChange = Extract<PlatformEvent, { type: 'history.changed' }>;

  async function auditHistory({ owner, functionName, environment, commit }: HistoryChange): Promise<void> {
    try {
      const entries = await deps.history({ owner, functionName, environment, limit: newestEntries });
      const entry = entries.find((each) => each.commit === commit);
      const found = entry && auditOfHistory(entry, config.origin);
      if (found && found.time >= since) audit(found);
    } catch (error) {
      logger.warn({ err: error, owner, functionName, commit }, 'a commit could not be audited');
    }
  }

  const looking = new Set<Promise<void>>();

  function heard(event: PlatformEvent): void {
    if (event.type === 'push.changed') changed(event.push);
    const told = event.type === 'log.line' ? phases.heard(event.pushId, event.line) : undefined;
    if (told) changed(told);
    if (event.type !== 'history.changed' || stop.signal.aborted) return;
    const work: Promise<void> = auditHistory(event).finally(() => looking.delete(work));
    looking.add(work);
  }

  const unsubscribe = deps.events.subscribe(heard);

  return {
    async start() {
      for (const push of deps.changedSince(Math.max(since, now() - lookBackMs))) {
        if (stop.signal.aborted) return;
        await tryToTake(push);
      }
      const counts = outbox.counts();
      if (counts.waiting + counts.refused > 0) logger.info({ feedback: counts }, 'feedback waits');
      dispatcher.wake();
    },
    counts: () => outbox.counts(),
    async settled() {
      while (working) await working;
      await Promise.all(looking);
      await dispatcher.settled();
    },
    async [Symbol.asyncDispose]() {
      unsubscribe();
      while (working) await working;
      await Promise.all(looking);
      stop.abort(new Error('feedback stops'));
      await dispatcher[Symbol.asyncDispose]();
    },
  };
}
