#!/usr/bin/env node
// Plain JavaScript that any Node can parse; the command line itself is TypeScript and needs Node 24.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [major = 0] = process.versions.node.split('.').map(Number);
const ours = fileURLToPath(new URL('../../node_modules/node/bin/node', import.meta.url));

if (major >= 24) {
  await import('./main.ts');
} else if (existsSync(ours)) {
  const result = spawnSync(ours, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  process.exitCode = result.status ?? 1;
} else {
  process.stderr.write(
    `towline: needs Node 24 or newer, this is ${process.versions.node}: run "npm ci" first\n`,
  );
  process.exitCode = 3;
}
