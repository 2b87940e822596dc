import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import pino from 'pino';
import { openStateFolder } from './state-folder.ts';

const logger = pino({ level: 'silent' });

describe('the folder of the functions that run', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'towline-state-'));
    mkdirSync(join(dir, '.supervisor'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const heldBy = (pid: number, startedAt: string | undefined) =>
    writeFileSync(join(dir, '.supervisor/holder.json'), JSON.stringify({ pid, startedAt }));
  const statOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ');

  it('is refused while the process that holds it lives, and free once that was killed', async () => {
    const holder = spawn('sleep', ['600']);
    const pid = holder.pid!;
    try {
      heldBy(pid, statOf(pid)[19]);
      await assert.rejects(openStateFolder(dir, logger), {
        code: 'data_folder_unusable',
        message: new RegExp(`process ${pid} already runs`),
      });
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    await (await openStateFolder(dir, logger)).close();
  });

  it('is free once its holder was killed, also while nobody has asked how that ended', async () => {
    // The shell becomes a program that never asks after the child it had as a shell.
    const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec sleep 600']);
    try {
      const pid = Number(String((await once(parent.stdout, 'data'))[0]));
      while (readFileSync(`/proc/${parent.pid}/comm`, 'utf8') !== 'sleep\n') await wait(5);
      heldBy(pid, statOf(pid)[19]);
      process.kill(pid, 'SIGKILL');
      while (statOf(pid)[0] !== 'Z') await wait(5);
      await (await openStateFolder(dir, logger)).close();
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it('is free if another process has the number of its holder by now', async () => {
    heldBy(process.ppid, '1');
    await (await openStateFolder(dir, logger)).close();
  });
});
