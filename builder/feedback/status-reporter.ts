import type { LogLine } from '../../core/deploy.ts';
import type { ReportMemory, ReportOutcome } from '../../runtime/outbox/outbox.ts';
import type { StatusReport } from './status-report.ts';

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
