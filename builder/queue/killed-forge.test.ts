import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { killAmongForges } from './killed-forge-fixture.ts';

const path = process.env['PATH'] ?? '';
const kills = Number(process.env['TOWLINE_TEST_FORGE_KILLS'] ?? 10);
const seed = Number(process.env['TOWLINE_TEST_FORGE_SEED'] ?? 7);

describe('a builder that is killed while repositories of two forges come, move and go', () => {
  it('ends all that was accepted once, and deploys each branch head under whoever it belongs to', async (t) => {
    const report = await killAmongForges({
      path,
      kills,
      seed,
      moves: Math.max(16, Math.round(kills * 0.56)),
    });
    t.diagnostic(JSON.stringify(report));
    assert.ok(report.accepted >= 2 && report.commits >= 1, JSON.stringify(report));
  });
});
