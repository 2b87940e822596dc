// Plain JavaScript that any Node can parse: it may be the only file an old Node gets to run.
import { existsSync } from 'node:fs';

const needed = 24;
const [major = 0] = process.versions.node.split('.').map(Number);

if (major < needed) {
  const ours = existsSync(new URL('../node_modules/node/bin/node', import.meta.url));
  const advice = ours
    ? 'start it with "npm start", which uses its own Node'
    : 'run "npm ci" first, then "npm start"';
  process.stderr.write(
    `towline: needs Node ${needed} or newer, this is ${process.versions.node}: ${advice}\n`,
  );
  process.exitCode = 3;
} else if (!existsSync(new URL('../node_modules/koa', import.meta.url))) {
  process.stderr.write('towline: its packages are not installed: run "npm ci" first\n');
  process.exitCode = 3;
} else {
  await import('./main.ts');
}
