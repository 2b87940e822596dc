import type { LogLine } from '../../core/deploy.ts';
import type { StatusReport } from './status-report.ts';

/** What became of one try to tell a forge something. */
export type ReportOutcome =
  | { type: 'reported' }
  /** It would never work: it isn't tried again. */
  | { type: 'refused'; reason: string }
  /**
   * Worth another try, at `retryAt` (milliseconds since the epoch) if the forge said when. `holds`: who has to wait;
   * only this report, all of this owner's, or all that is for the forge.
   */
  | { type: 'later'; reason: string; holds: 'report' | 'owner' | 'forge'; retryAt?: number | undefined };

/** What a reporter keeps about what it made at the forge; durable when `set` returns. */
export interface ReportMemory {
  get(name: string): string | undefined;
  set(name: string, value: string | null): void;
}

export interface ReportContext {
  /** Of this report's key: an id of what was made for it. */
  memory: ReportMemory;
  /** Shared by all reports of the same reporter. */
  shared: ReportMemory;
  /** The newest lines of the report's log, of its function if it is of one. */
  logLines(): Promise<LogLine[]>;
  signal: AbortSignal;
}

/** Tells a forge how a push does. Never called for two reports of one key at a time. */
export interface StatusReporter {
  /** What reports are kept under until they are told; `null`: nothing of this report is for it. */
  keyOf(report: StatusReport): string | null;
  /** Idempotent: a report whose answer was lost is told again. Throws only if aborted. */
  report(report: StatusReport, context: ReportContext): Promise<ReportOutcome>;
}
