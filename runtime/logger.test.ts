import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger, withoutCredentials } from './logger.ts';

describe('logs', () => {
  it('never carry credentials under their usual names', () => {
    const lines: string[] = [];
    const logger = createLogger(
      { level: 'info', name: 'test' },
      { write: (line: string) => void lines.push(line) },
    );
    logger.info(
      {
        token: 'hunter2',
        headers: { authorization: 'Basic hunter2', cookie: 'a=hunter2' },
        user: { password: 'hunter2' },
      },
      'hello',
    );

    const [line] = lines;
    assert.ok(line);
    assert.ok(!line.includes('hunter2'), line);
    assert.equal(JSON.parse(line).msg, 'hello');
  });

  it('show a URL without its user, password and query', () => {
    assert.equal(withoutCredentials('https://bob:pw@example.org/a.git?token=x'), 'https://example.org/a.git');
  });
});
