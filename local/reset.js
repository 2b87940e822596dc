// Plain JavaScript, as start.js: removes the data folder, and only one that is Towline's.
import { existsSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';

const dir = resolve(process.env.TOWLINE_DATA || '.data');
const say = (text) => process.stdout.write(`towline: ${text}\n`);
const refuse = (text) => {
  process.stderr.write(`towline: ${text}\n`);
  process.exitCode = 1;
};

/** An exclusive lock that a running platform holds; see data-folder.ts. */
async function isRunning() {
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(resolve(dir, 'lock.db'), { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE; ROLLBACK;');
    return false;
  } catch {
    return true;
  } finally {
    database.close();
  }
}

if (!existsSync(dir)) {
  say(`nothing to reset: ${dir} is not there`);
} else if (!existsSync(resolve(dir, 'lock.db'))) {
  refuse(`${dir} is not a data folder of Towline; nothing was removed`);
} else if (await isRunning()) {
  refuse(`Towline is running with ${dir}; stop it first (Ctrl+C), nothing was removed`);
} else {
  rmSync(dir, { recursive: true, force: true });
  say(`removed ${dir}; the next "npm start" begins afresh`);
}
