import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { freePort, startProgram } from './program.ts';
import { ownedFolder } from './test-owner.ts';

/**
 * A process of its own. With no argument it stands in for a test process: it starts a daemon, says in one line of JSON
 * what it has, and waits to be killed. As the daemon it starts a child that leaves its group, as containers do.
 */
const [port] = process.argv.slice(2);
if (port === undefined) {
  const chosen = await freePort();
  const origin = `http://127.0.0.1:${chosen}`;
  const program = await startProgram({
    command: process.execPath,
    args: [import.meta.filename, String(chosen)],
    isReady: async () => (await fetch(origin)).ok,
  });
  const folder = await ownedFolder('fixture');
  await writeFile(join(folder, 'file'), 'x');
  const child = Number(await (await fetch(origin)).text());
  process.stdout.write(`${JSON.stringify({ daemon: program.pid, child, folder })}\n`);
  setInterval(() => {}, 60_000);
} else {
  const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  await once(child, 'spawn');
  createServer((_, response) => response.end(String(child.pid))).listen(Number(port), '127.0.0.1');
}
