import type { BuildService } from '../../core/build-service.ts';
import type { LogLine, PushRecord } from '../../core/deploy.ts';
import type { EventBus } from '../../core/events.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { HookOutput } from './hook-endpoint.ts';
import { logLine, type ProgressAddresses, saysVerdict, stillLine, verdictLines } from './progress-lines.ts';

export interface ProgressConfig {
  /** How long, in milliseconds, a pusher is kept watching. */
  timeoutMs: number;
  /** Silence, in milliseconds, after which a sign of life is printed. */
  keepaliveMs: number;
}

export interface ProgressDeps extends ProgressAddresses {
  events: EventBus;
  builds: () => BuildService;
  logger: Logger;
}

const maxOutputLines = 300;
const maxOtherLines = 200;
/** Lost events only cost this long, in milliseconds. */
const recheckMs = 1_000;

/** Watches one owner's pushes from before they are delivered, so that no change goes unseen. */
export interface PushWatch extends Disposable {
  /** Prints the push until it is done, the time is up, or nobody reads. */
  follow(pushId: string, owner: string, output: HookOutput): Promise<void>;
}

/** Counts what is shown, so that a log of a million lines does not flood a terminal. */
class LinePrinter {
  private readonly output: HookOutput;
  private shown = { output: 0, other: 0 };
  private hidden = 0;
  /** "hello is live" and errors as long as they are the last lines: the verdict says them again, with more. */
  private heldBack: { line: LogLine; text: string }[] = [];

  constructor(output: HookOutput) {
    this.output = output;
  }

  print(line: LogLine, since: number): void {
    const kind = line.kind === 'output' ? 'output' : 'other';
    this.shown[kind] += 1;
    if (this.shown[kind] > (kind === 'output' ? maxOutputLines : maxOtherLines)) {
      this.hidden += 1;
      return;
    }
    const text = logLine(line, since);
    const isEnd = line.kind === 'error' || (line.kind === 'phase' && line.stage === 'live');
    if (isEnd) {
      this.heldBack.push({ line, text });
      return;
    }
    for (const held of this.heldBack.splice(0)) this.output.line(held.text);
    this.output.line(text);
  }

  /** Prints what was held back and the verdicts do not say. */
  end(push: PushRecord): void {
    for (const { line, text } of this.heldBack.splice(0)) {
      if (line.kind === 'error' && !saysVerdict(line, push)) this.output.line(text);
    }
  }

  summary(logUrl: string): void {
    if (this.hidden === 0) return;
    this.output.line(`    … ${this.hidden.toLocaleString('en')} more lines are in the log: ${logUrl}`);
  }
}

/** A count of changes that can be waited on, so that none is missed while a record is read. */
function createWakeUp() {
  const waiting = new Set<() => void>();
  let changes = 0;
  return {
    get changes() {
      return changes;
    },
    changed() {
      changes += 1;
      for (const wake of [...waiting]) wake();
    },
    /** Resolves once there were more changes than `seen`, or after a while; rejects when the signal aborts. */
    wait(seen: number, signal: AbortSignal): Promise<void> {
      return new Promise((resolve, reject) => {
        const settle = () => {
          clearTimeout(timer);
          waiting.delete(settle);
          signal.removeEventListener('abort', settle);
          if (signal.aborted) reject(signal.reason);
          else resolve();
        };
        const timer = setTimeout(settle, recheckMs);
        waiting.add(settle);
        signal.addEventListener('abort', settle, { once: true });
        if (signal.aborted || changes > seen) settle();
      });
    },
  };
}

export function watchPushes(config: ProgressConfig, deps: ProgressDeps): PushWatch {
  const wakeUp = createWakeUp();
  let followed: { id: string; latest: PushRecord | undefined } | undefined;
  const unsubscribe = deps.events.subscribe((event) => {
    if (event.type !== 'push.changed') return;
    if (followed?.id === event.push.id) followed.latest = event.push;
    wakeUp.changed();
  });

  async function record(
    pushId: string,
    accept: (push: PushRecord) => boolean,
    signal: AbortSignal,
  ): Promise<PushRecord> {
    for (;;) {
      const seen = wakeUp.changes;
      const push = await deps.builds().push(pushId);
      if (followed?.id === pushId && push) followed.latest = push;
      if (push && accept(push)) return push;
      await wakeUp.wait(seen, signal);
    }
  }

  async function tell(pushId: string, owner: string, output: HookOutput, signal: AbortSignal): Promise<void> {
    const first = await record(pushId, () => true, signal);
    const printer = new LinePrinter(output);
    try {
      for await (const line of deps.builds().log(pushId, 0, signal)) printer.print(line, first.createdAt);
    } catch (error) {
      signal.throwIfAborted();
      deps.logger.warn({ err: error, pushId }, 'the log of a push cannot be followed');
    }
    const last = await record(pushId, (push) => push.state === 'done', signal);
    printer.end(last);
    printer.summary(deps.logUrl(owner, pushId));
    for (const line of verdictLines(last, deps)) output.line(line);
  }

  return {
    async follow(pushId, owner, output) {
      const startedAt = Date.now();
      const current = { id: pushId, latest: undefined as PushRecord | undefined };
      followed = current;
      const timeUp = AbortSignal.timeout(config.timeoutMs);
      const signal = AbortSignal.any([output.signal, timeUp]);
      const keepalive = setInterval(
        () => output.line(stillLine(current.latest, Date.now() - startedAt)),
        config.keepaliveMs,
      );
      const watched: HookOutput = {
        signal,
        line(text) {
          keepalive.refresh();
          output.line(text);
        },
      };
      try {
        await tell(pushId, owner, watched, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        if (timeUp.aborted) output.line(`It is still going on. Follow it at ${deps.logUrl(owner, pushId)}`);
      } finally {
        clearInterval(keepalive);
      }
    },
    [Symbol.dispose]: unsubscribe,
  };
}
