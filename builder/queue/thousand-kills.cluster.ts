import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { killAgainAndAgain } from './killed-builder-fixture.ts';

/** Runs beside each other, each with its own folder and its own random moments. */
const runs = 4;

const path = process.env['PATH'] ?? '';

describe('a thousand deaths', () => {
  it('lose no accepted delivery, end each one once, and leave each branch head deployed', async (t) => {
    const seeds = [...Array(runs)].map((_, index) => 7061 + index);
    const reports = await Promise.all(
      seeds.map((seed) => killAgainAndAgain({ path, kills: 1000 / runs, seed, pushes: 90 })),
    );
    const sum = (of: (report: (typeof reports)[number]) => number) =>
      reports.reduce((total, report) => total + of(report), 0);
    t.diagnostic(JSON.stringify(reports));
    assert.equal(
      sum(({ kills }) => kills),
      1000,
    );
    assert.ok(sum(({ accepted }) => accepted) >= 200, `${sum(({ accepted }) => accepted)} deliveries`);
  });
});
