import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { killAgainAndAgain } from './killed-builder-fixture.ts';

const path = process.env['PATH'] ?? '';

describe('a thousand deaths', () => {
  it('lose no accepted delivery, end each one once, and leave each branch head deployed', async (t) => {
    // Beside each other, each with its own folder and its own random moments.
    const reports = await Promise.all(
      [7061, 7062, 7063, 7064].map((seed) => killAgainAndAgain({ path, kills: 250, seed, pushes: 90 })),
    );
    t.diagnostic(JSON.stringify(reports));
    const sum = (of: 'kills' | 'accepted') => reports.reduce((total, report) => total + report[of], 0);
    assert.equal(sum('kills'), 1000);
    assert.ok(sum('accepted') >= 200, `${sum('accepted')} deliveries`);
  });
});
