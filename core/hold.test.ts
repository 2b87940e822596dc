import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { shownStatus } from './catalog.ts';
import { describeHold, formatHold, readHold } from './hold.ts';

const since = Date.UTC(2026, 10, 22, 9, 0, 0);

test('a hold reads back as it was written', () => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,38}$/);
  const reason = fc.stringMatching(/^(?:[!-~](?:[ -~]{0,80}[!-~])?)?$/).filter((text) => !/ {2}/.test(text));
  const second = fc.integer({ min: 0, max: 4_000_000_000 }).map((value) => value * 1000);
  fc.assert(
    fc.property(name, second, reason, (by, at, why) => {
      assert.deepEqual(readHold(formatHold(by, at, why)), { by, since: at, reason: why });
    }),
  );
});

test('what a person wrote by hand is the reason; nothing, and "false", hold nothing', () => {
  assert.deepEqual(readHold('until Monday\n # ask me'), {
    by: null,
    since: null,
    reason: 'until Monday # ask me',
  });
  assert.deepEqual(readHold('al since 2026-99-99T00:00:00Z: x')?.by, null);
  for (const text of [undefined, '', ' \n', 'false']) assert.equal(readHold(text), null);
});

test('a hold is told with who, since when and why', () => {
  const hold = { by: 'alice', since, reason: 'a demo is on' };
  assert.equal(describeHold(hold), 'held by alice since 2026-11-22T09:00:00Z: a demo is on');
  assert.equal(describeHold({ ...hold, reason: '' }), 'held by alice since 2026-11-22T09:00:00Z');
  assert.equal(describeHold({ by: null, since: null, reason: 'until Monday' }), 'held: until Monday');
});

test('a held function is shown as held whatever it serves, until it is deleted', () => {
  const hold = { by: 'alice', since, reason: '' };
  assert.equal(shownStatus('Degraded', hold), 'Held');
  assert.equal(shownStatus('Deleting', hold), 'Deleting');
  assert.equal(shownStatus('Degraded', null), 'Degraded');
});
