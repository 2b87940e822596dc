import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { killAgainAndAgain } from './killed-builder-fixture.ts';

const path = process.env['PATH'] ?? '';

describe('a builder that is killed at any moment', () => {
  it('ends every accepted push once, and the branch head wins', async () => {
    const { accepted, commits } = await killAgainAndAgain({ path, kills: 12, seed: 42, pushes: 12 });
    assert.ok(accepted >= 6 && commits >= 2, `${accepted} accepted, ${commits} commits`);
  });
});
