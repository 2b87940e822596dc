import type { LogLine } from '../../core/deploy.ts';
import type { ReportMemory } from '../../runtime/outbox/outbox.ts';
import type { StatusReport } from './status-report.ts';
import type { ReportContext } from './status-reporter.ts';

/** A report as `describePush` gives it, of GitHub's `Acme/shop`. */
export function statusReport(more: Partial<StatusReport> = {}): StatusReport {
  return {
    scm: 'github',
    repository: { id: '7', path: 'Acme/shop' },
    owner: 'acme',
    commit: 'a'.repeat(40),
    ref: 'refs/heads/main',
    context: 'towline/hello',
    functionName: 'hello',
    environment: 'default',
    pushId: 'p1',
    deployId: 'd1',
    state: 'running',
    text: 'Building',
    summary: 'Building',
    logUrl: 'https://towline.example.org/acme/pushes/p1',
    functionUrl: null,
    annotations: [],
    startedAt: 1000,
    endedAt: null,
    ...more,
  };
}

export function memoryOf(kept = new Map<string, string>()): ReportMemory {
  return {
    get: (name) => kept.get(name),
    set(name, value) {
      if (value === null) kept.delete(name);
      else kept.set(name, value);
    },
  };
}

export function reportContext(lines: LogLine[] = []): ReportContext {
  return {
    memory: memoryOf(),
    shared: memoryOf(),
    logLines: async () => lines,
    signal: AbortSignal.timeout(120_000),
  };
}
