import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { createAlarm } from './alarm.ts';

describe('an alarm', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 }));
  afterEach(() => mock.timers.reset());

  function alarmed() {
    const seen = { woken: 0 };
    return { seen, alarm: createAlarm(() => void seen.woken++, Date.now) };
  }

  it('goes off once, at the earliest time that was asked for', () => {
    const { seen, alarm } = alarmed();
    for (const ms of [3_000, 1_000, 2_000, 1_000]) alarm.in(ms);
    mock.timers.tick(999);
    assert.equal(seen.woken, 0);
    mock.timers.tick(1);
    assert.equal(seen.woken, 1);
    mock.timers.tick(10_000);
    assert.equal(seen.woken, 1);
  });

  it('may be asked again when it has gone off, and is silent once it is disposed of', () => {
    const { seen, alarm } = alarmed();
    alarm.in(1_000);
    mock.timers.tick(1_000);
    alarm.in(5_000);
    mock.timers.tick(5_000);
    assert.equal(seen.woken, 2);
    alarm.in(1_000);
    alarm[Symbol.dispose]();
    mock.timers.tick(10_000);
    assert.equal(seen.woken, 2);
  });
});
