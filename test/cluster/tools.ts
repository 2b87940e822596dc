import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

export type Tool = 'buildctl' | 'buildkitd';

const sources = join(import.meta.dirname, 'tools');
const packages = ['github.com/moby/buildkit/cmd/buildctl', 'github.com/moby/buildkit/cmd/buildkitd'];
let building: Promise<string> | undefined;

/** The path of a program that is built, once for this machine, from the module that tools/go.mod pins. */
export async function tool(name: Tool): Promise<string> {
  building ??= buildTools();
  return join(await building, name);
}

async function buildTools(): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'towline', 'tools');
  const version = /buildkit (v\S+)/.exec(await readFile(join(sources, 'go.mod'), 'utf8'))?.[1] ?? 'unknown';
  const sums = createHash('sha256').update(await readFile(join(sources, 'go.sum')));
  const dir = join(cache, `buildkit-${version}-${sums.digest('hex').slice(0, 12)}`);
  if (
    await access(join(dir, 'buildkitd')).then(
      () => true,
      () => false,
    )
  )
    return dir;
  await mkdir(cache, { recursive: true });
  const making = await mkdtemp(join(cache, '.new-'));
  try {
    const started = Date.now();
    say(`building buildctl and buildkitd ${version} with go (once; minutes on a cold Go cache)`);
    await go(['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', `${making}/`, ...packages]);
    say(`built in ${Math.round((Date.now() - started) / 1000)} s, kept in ${dir}`);
    // Whoever comes second has built the same.
    await rename(making, dir).catch(() => undefined);
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return dir;
}

async function go(args: string[]): Promise<void> {
  const env = { ...process.env, GOFLAGS: '-mod=readonly', CGO_ENABLED: '0' };
  const child = spawn('go', args, { cwd: sources, env, stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`go ${args[0]} ended with ${code}`);
}

function say(text: string): void {
  process.stderr.write(`# ${text}\n`);
}
