import type { LogLine, PushRecord } from '../../core/deploy.ts';
import type { EventBus, PlatformEvent } from '../../core/events.ts';
import type { BackoffOptions } from '../../runtime/backoff.ts';
import type { Logger } from '../../runtime/logger.ts';
import { createDispatcher } from '../../runtime/outbox/dispatcher.ts';
import type { Outbox, OutboxCounts, ReportOutcome, WaitingEntry } from '../../runtime/outbox/outbox.ts';
import type { Delivery } from '../deliveries/delivery-log.ts';
import { createBuildPhases } from './build-phases.ts';
import { type DescribeOptions, describePush } from './describe-push.ts';
import { createPushFollower } from './push-follower.ts';
import { isFinal, StatusReport } from './status-report.ts';
import type { StatusReporter } from './status-reporter.ts';

export interface FeedbackConfig extends Pick<DescribeOptions, 'origin'> {
  /** By the name that their reports are kept under; it must stay the same. */
  reporters: Readonly<Record<string, StatusReporter>>;
  retry?: BackoffOptions | undefined;
}

export interface FeedbackDeps {
  outbox: Outbox;
  events: EventBus;
  logger: Logger;
  functionUrl: DescribeOptions['functionUrl'];
  /** What the push came of; `undefined` if it is not known any more. */
  deliveryOf(pushId: string): Promise<Pick<Delivery, 'event'> | undefined>;
  /** Pushes that changed since, oldest first. */
  changedSince(time: number): Iterable<PushRecord>;
  /** How many pushes of its repository have to end first. */
  ahead(push: PushRecord): number;
  log(pushId: string, signal: AbortSignal): AsyncIterable<LogLine>;
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

export function createFeedback(config: FeedbackConfig, deps: FeedbackDeps): Feedback {
  const { outbox, logger, now } = deps;
  const since = outbox.since(now());
  const phases = createBuildPhases();
  const stop = new AbortController();

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

  async function send(entry: WaitingEntry, signal: AbortSignal): Promise<ReportOutcome> {
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

  async function take(push: PushRecord): Promise<void> {
    const delivery = await deps.deliveryOf(push.id);
    if (!delivery) return;
    const options = {
      origin: config.origin,
      functionUrl: deps.functionUrl,
      ahead: push.state === 'queued' ? deps.ahead(push) : 0,
      phaseOf: phases.of,
    };
    for (const report of describePush(push, delivery.event, options)) put(report, push.createdAt);
  }

  const failure = 'feedback could not be kept';
  const follower = createPushFollower({ take, signal: stop.signal, logger, failure });

  function changed(push: PushRecord): void {
    phases.keep(push);
    if (push.createdAt < since && push.updatedAt < since) return;
    follower.changed(push);
  }

  function heard(event: PlatformEvent): void {
    if (event.type === 'push.changed') changed(event.push);
    const told = event.type === 'log.line' ? phases.heard(event.pushId, event.line) : undefined;
    if (told) changed(told);
  }

  const unsubscribe = deps.events.subscribe(heard);

  return {
    async start() {
      for (const push of deps.changedSince(Math.max(since, now() - lookBackMs))) {
        if (stop.signal.aborted) return;
        await follower.take(push);
      }
      const counts = outbox.counts();
      if (counts.waiting + counts.refused > 0) logger.info({ feedback: counts }, 'feedback waits');
      dispatcher.wake();
    },
    counts: () => outbox.counts(),
    async settled() {
      await follower.settled();
      await dispatcher.settled();
    },
    async [Symbol.asyncDispose]() {
      unsubscribe();
      await follower.settled();
      stop.abort(new Error('feedback stops'));
      await dispatcher[Symbol.asyncDispose]();
    },
  };
}
