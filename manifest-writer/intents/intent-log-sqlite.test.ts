import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { describeIntentLog } from './intent-log.contract.ts';
import type { IntentLog } from './intent-log.ts';
import { createSqliteIntentLog } from './intent-log-sqlite.ts';

async function makeSubject() {
  const folder = await mkdtemp(join(tmpdir(), 'towline-intents-'));
  const path = join(folder, 'sub', 'intents.db');
  const opened: IntentLog[] = [];
  return {
    path,
    open(maxFinished = 100) {
      const log = createSqliteIntentLog({ path, maxFinished });
      opened.push(log);
      return log;
    },
    async [Symbol.asyncDispose]() {
      for (const log of opened) log[Symbol.dispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

describeIntentLog('IntentLog on SQLite', makeSubject);

test('the file is for its owner alone: intents carry environments', async () => {
  await using subject = await makeSubject();
  const log = subject.open();
  log.accept([{ id: 'a', kind: 'deploy', body: { PASSWORD: 'x' } }], 1);
  for (const suffix of ['', '-wal']) {
    assert.equal((await stat(`${subject.path}${suffix}`)).mode & 0o077, 0, suffix);
  }
});
