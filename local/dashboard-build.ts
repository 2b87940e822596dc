import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TowlineError } from '../core/errors.ts';
import { runProcess } from '../runtime/run-process.ts';

const buildTimeoutMs = 120_000;

function newestChange(dir: string): number {
  let newest = 0;
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || entry.parentPath.startsWith(join(dir, 'dist'))) continue;
    newest = Math.max(newest, statSync(join(entry.parentPath, entry.name)).mtimeMs);
  }
  return newest;
}

/** Builds the dashboard with vite if it isn't built, or is older than its sources. Gives the built folder. */
export async function buildDashboard(packageDir: string, path: string, signal: AbortSignal): Promise<string> {
  const sources = join(packageDir, 'ui/web');
  const built = join(sources, 'dist');
  const index = join(built, 'index.html');
  if (existsSync(index) && statSync(index).mtimeMs >= newestChange(sources)) return built;
  const result = await runProcess({
    command: process.execPath,
    args: [join(packageDir, 'node_modules/vite/bin/vite.js'), 'build', sources, '--logLevel', 'error'],
    cwd: packageDir,
    env: { PATH: path, NODE_ENV: 'production', HOME: packageDir },
    timeoutMs: buildTimeoutMs,
    signal,
  });
  if (result.exitCode === 0) return built;
  throw new TowlineError(
    'internal',
    `the dashboard could not be built: ${result.stderr.trim().split('\n')[0] ?? ''}`,
    {
      hint: '"npm run build:ui" shows the whole message',
    },
  );
}
