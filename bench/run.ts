import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

// `npm run bench -- <name> [options]`: each benchmark is a program of its own that ends with one line of JSON.
const here = import.meta.dirname;
const [name, ...options] = process.argv.slice(2);
const names = readdirSync(here)
  .filter((file) => file.endsWith('.ts') && !['run.ts', 'figures.ts'].includes(file))
  .map((file) => file.replace(/\.ts$/, ''));

if (name === undefined || !existsSync(join(here, `${name}.ts`))) {
  process.stderr.write(`usage: npm run bench -- <${names.join('|')}> [options]\n`);
  process.exitCode = 2;
} else {
  const child = spawn(process.execPath, [join(here, `${name}.ts`), ...options], { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  process.exitCode = code ?? 1;
}
