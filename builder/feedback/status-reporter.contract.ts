import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reportContext, statusReport } from './reporter-fixture.ts';
import type { StatusReport } from './status-report.ts';
import type { StatusReporter } from './status-reporter.ts';

export interface ReporterSubject extends AsyncDisposable {
  reporter: StatusReporter;
  /** What its reports have to say of where they go. */
  report: Partial<StatusReport>;
  /** What is shown of the report's context now, in the words of reports; `undefined` if nothing is. */
  shown(): { state: 'running' | 'success' | 'failure'; url: string | null } | undefined;
  /** How many things were made for it. */
  made(): number;
  /** The forge does what it is asked, and its answer is lost, once. */
  losesNextAnswer(): void;
  away(isAway: boolean): void;
  /** Until then the forge refuses, and says so. */
  limit(resetAt: number): void;
  /** From now on nothing is allowed. */
  forbid(): void;
}

const url = 'https://acme.example.org/hello';

/** What every reporter must do. */
export function describeStatusReporter(name: string, makeSubject: () => Promise<ReporterSubject>): void {
  describe(`StatusReporter: ${name}`, () => {
    it('shows what goes on, and then how it ended, in one place', async () => {
      await using subject = await makeSubject();
      const { reporter } = subject;
      const context = reportContext();
      const running = statusReport(subject.report);
      assert.deepEqual(await reporter.report(running, context), { type: 'reported' });
      assert.equal(subject.shown()?.state, 'running');
      const live = {
        ...running,
        state: 'success' as const,
        text: 'Live in 1.0 s',
        functionUrl: url,
        endedAt: 2000,
      };
      assert.deepEqual(await reporter.report(live, context), { type: 'reported' });
      assert.deepEqual(await reporter.report(live, context), { type: 'reported' });
      assert.equal(subject.shown()?.state, 'success');
      assert.equal(reporter.keyOf(running), reporter.keyOf(live));
    });

    it('tells an end without having told of the beginning', async () => {
      await using subject = await makeSubject();
      const failed = statusReport({
        ...subject.report,
        state: 'failure',
        text: 'Build failed: no',
        endedAt: 2000,
      });
      assert.deepEqual(await subject.reporter.report(failed, reportContext()), { type: 'reported' });
      assert.equal(subject.shown()?.state, 'failure');
    });

    it('makes nothing twice when an answer was lost', async () => {
      await using subject = await makeSubject();
      const context = reportContext();
      const report = statusReport(subject.report);
      subject.losesNextAnswer();
      const lost = await subject.reporter.report(report, context);
      assert.equal(lost.type, 'later');
      assert.deepEqual(await subject.reporter.report(report, context), { type: 'reported' });
      assert.equal(subject.made(), 1);
    });

    it('is to be tried again, with all that is for the forge, while that is away', async () => {
      await using subject = await makeSubject();
      subject.away(true);
      const outcome = await subject.reporter.report(statusReport(subject.report), reportContext());
      assert.deepEqual([outcome.type, outcome.type === 'later' && outcome.holds], ['later', 'forge']);
      subject.away(false);
      assert.equal(
        (await subject.reporter.report(statusReport(subject.report), reportContext())).type,
        'reported',
      );
    });

    it('waits until a limit ends', async () => {
      await using subject = await makeSubject();
      const resetAt = Math.ceil(Date.now() / 1000) * 1000 + 600_000;
      subject.limit(resetAt);
      const outcome = await subject.reporter.report(statusReport(subject.report), reportContext());
      assert.equal(outcome.type, 'later');
      assert.ok(outcome.type === 'later' && outcome.holds === 'owner');
      assert.ok((outcome.retryAt ?? 0) >= resetAt && (outcome.retryAt ?? 0) <= resetAt + 2000);
    });

    it('gives up what will never be allowed', async () => {
      await using subject = await makeSubject();
      subject.forbid();
      const outcome = await subject.reporter.report(statusReport(subject.report), reportContext());
      assert.equal(outcome.type, 'refused');
    });

    it('leaves alone what is for others', async () => {
      await using subject = await makeSubject();
      const { reporter } = subject;
      assert.equal(reporter.keyOf(statusReport({ ...subject.report, scm: 'git' })), null);
      const strange = { id: '../7', path: 'a/../../b' };
      assert.equal(reporter.keyOf(statusReport({ ...subject.report, repository: strange })), null);
    });
  });
}
