import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger } from '../logger.ts';
import { createStaleLog } from './stale-log.ts';

function setUp() {
  const lines: string[] = [];
  let time = 0;
  const write = (line: string) => {
    const { level, path, cause } = JSON.parse(line) as { level: number; path: string; cause?: string };
    lines.push(`${level} ${path}${cause === undefined ? '' : ` ${cause}`}`);
  };
  const logger = createLogger({ name: 'catalog', level: 'info' }, { write });
  const tell = createStaleLog(logger, () => time);
  return {
    lines,
    fails: (path: string, cause: string) => tell(path, false, { type: 'stale', since: 0, cause }),
    recovers: (path: string) => tell(path, false, { type: 'following' }),
    leaves: (path: string) => tell(path, false, undefined),
    passes(ms: number) {
      time += ms;
    },
  };
}

describe('what is said of namespaces that cannot be followed', () => {
  it('is said once for each cause, again after an hour, and when it is over', () => {
    const log = setUp();
    for (let tries = 0; tries < 3; tries += 1) log.fails('/a', '403');
    log.fails('/a', '500');
    log.fails('/a', '500');
    assert.deepEqual(log.lines, ['40 /a 403', '40 /a 500']);
    log.passes(3_600_000);
    log.fails('/a', '500');
    log.recovers('/a');
    log.recovers('/a');
    assert.deepEqual(log.lines.slice(2), ['40 /a 500', '30 /a']);
    log.fails('/a', '500');
    assert.equal(log.lines.length, 5);
  });

  it('is said of ten at a time', () => {
    const log = setUp();
    for (let n = 0; n < 12; n += 1) log.fails(`/${n}`, '403');
    assert.equal(log.lines.length, 10);
    log.leaves('/0');
    log.fails('/12', '403');
    assert.equal(log.lines.at(-1), '40 /12 403');
    assert.equal(log.lines.length, 11);
  });
});
