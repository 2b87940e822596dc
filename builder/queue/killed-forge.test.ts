import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { killAmongForges } from './killed-forge-fixture.ts';

const path = process.env['PATH'] ?? '';

describe('a builder that is killed while repositories of two forges come, move and go', () => {
  it('ends all that was accepted once, and deploys each branch head under whoever it belongs to', async (t) => {
    const report = await killAmongForges({ path, kills: 10, seed: 7, moves: 16 });
    t.diagnostic(JSON.stringify(report));
    assert.ok(report.accepted >= 2 && report.commits >= 1, JSON.stringify(report));
  });
});
