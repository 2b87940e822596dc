import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { sweepDeadRuns } from './dead-runs.ts';

interface Held {
  daemon: number;
  child: number;
  folder: string;
}

const started: ChildProcess[] = [];

/** A test process with a daemon, the daemon's own child and a folder. */
async function testProcess(): Promise<{ process: ChildProcess; held: Held }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'test-process-fixture.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started.push(child);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { process: child, held: JSON.parse(line) as Held };
}

async function killed(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function untilGone(pid: number): Promise<void> {
  for (const end = Date.now() + 10_000; isRunning(pid); await wait(20)) {
    assert.ok(Date.now() < end, `process ${pid} still runs`);
  }
}

describe('a test process that is killed', () => {
  afterEach(async () => {
    for (const child of started.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
    await wait(50);
    await sweepDeadRuns();
  });

  it('takes its daemons with it at once', async () => {
    const { process: owner, held } = await testProcess();
    assert.ok(isRunning(held.daemon));
    await killed(owner);
    await untilGone(held.daemon);
  });

  it("leaves its daemons' children and its folders to the next run, which removes them", async () => {
    const { process: owner, held } = await testProcess();
    await killed(owner);
    await untilGone(held.daemon);
    await sweepDeadRuns();
    await untilGone(held.child);
    assert.ok(!existsSync(held.folder));
  });

  it('is not taken for dead while it runs', async () => {
    const { held } = await testProcess();
    await sweepDeadRuns();
    assert.ok(isRunning(held.daemon) && isRunning(held.child) && existsSync(held.folder));
  });
});
