import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { hold, tryHold } from './machine-wide.ts';
import { freePort } from './program.ts';

let names = 0;
const newName = () => `name-${process.pid}-${names++}`;

/** A process that holds the name until it is killed. */
async function startHolder(name: string) {
  const module = JSON.stringify(join(import.meta.dirname, 'machine-wide.ts'));
  const script = `import { hold } from ${module}; await hold(process.argv[1]); console.log('held'); setInterval(() => {}, 60_000);`;
  const args = ['--input-type=module-typescript', '--eval', script, name];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

describe('a name that one process may have at a time', () => {
  it('is refused while it is held, and free after', async () => {
    const name = newName();
    const held = await tryHold(name);
    assert.ok(held);
    assert.equal(await tryHold(name), undefined);
    await held[Symbol.asyncDispose]();
    await (await hold(name))[Symbol.asyncDispose]();
  });

  it('is let go of by a process that is killed', async () => {
    const name = newName();
    const child = await startHolder(name);
    const waiting = hold(name);
    assert.equal(await tryHold(name), undefined);
    child.kill('SIGKILL');
    await (await waiting)[Symbol.asyncDispose]();
  });

  it('goes to one after the other of those who wait', async () => {
    const name = newName();
    let holders = 0;
    const first = await hold(name);
    const others = [1, 2, 3, 4, 5].map(async () => {
      await using _ = await hold(name);
      holders += 1;
      assert.equal(holders, 1);
      await new Promise((resolve) => setImmediate(resolve));
      holders -= 1;
    });
    await first[Symbol.asyncDispose]();
    await Promise.all(others);
  });
});

describe('a free port', () => {
  it('is given once, and is none that the kernel gives to a connection', async () => {
    const ports = await Promise.all([...Array(50)].map(freePort));
    assert.equal(new Set(ports).size, 50);
    for (const port of ports) assert.ok(port >= 1024 && port < 32_768, String(port));
  });
});
