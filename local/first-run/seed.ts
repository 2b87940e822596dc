import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../../runtime/atomic-file.ts';
import { gitConfigEnvironment, gitEnvironment } from '../../runtime/git.ts';
import type { Logger } from '../../runtime/logger.ts';
import { openWorkTree } from '../../runtime/work-tree.ts';

export interface SeedConfig {
  samplesDir: string;
  workDir: string;
  /** Remembers what was pushed, so that a start after an interrupted one goes on where it stopped. */
  stateFile: string;
  owner: string;
  /** As `http://localhost:8080/git`. */
  gitBaseUrl: string;
  token: string;
  path: string;
}

/** The samples in the order in which they are pushed; the first one is waited for on the first screen. */
const order = ['hello', 'counter', 'hello-py', 'broken', 'slow', 'chatty'];

export function sampleNames(samplesDir: string): string[] {
  const present = new Set(readdirSync(samplesDir));
  return order.filter((name) => present.has(name));
}

/** How many of each sample's versions are pushed. */
const SeedState = z.object({ pushed: z.record(z.string(), z.number()) });
type SeedState = z.infer<typeof SeedState>;

function readState(file: string): SeedState {
  if (!existsSync(file)) return { pushed: {} };
  try {
    return SeedState.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    // Pushing what is there already is harmless.
    return { pushed: {} };
  }
}

/** A sample is one folder, or `v1`, `v2`, … folders that become one commit and one push each. */
function versionsOf(dir: string): string[] {
  const versions = readdirSync(dir)
    .filter((name) => /^v\d+$/.test(name))
    .sort();
  return versions.length > 0 ? versions.map((name) => join(dir, name)) : [dir];
}

function subjectOf(dir: string, name: string): string {
  const file = join(dir, 'COMMIT_MESSAGE');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : `Add the sample ${name}`;
}

function seedEnvironment(config: SeedConfig): Record<string, string> {
  const basic = Buffer.from(`${config.owner}:${config.token}`).toString('base64');
  return {
    ...gitEnvironment(config.path),
    ...gitConfigEnvironment({
      'http.extraHeader': `Authorization: Basic ${basic}`,
      'http.postBuffer': '10485760',
    }),
    GIT_AUTHOR_NAME: 'Towline samples',
    GIT_AUTHOR_EMAIL: 'samples@towline.localhost',
    GIT_COMMITTER_NAME: 'Towline samples',
    GIT_COMMITTER_EMAIL: 'samples@towline.localhost',
    // The same commits on every machine and every try, so that pushing again after a crash is harmless.
    GIT_AUTHOR_DATE: '2026-01-01T00:00:00Z',
    GIT_COMMITTER_DATE: '2026-01-01T00:00:00Z',
  };
}

function clearWorkTree(dir: string): void {
  for (const name of readdirSync(dir)) {
    if (name !== '.git') rmSync(join(dir, name), { recursive: true });
  }
}

/** Pushes one sample as a person would, version by version; a push returns when its deploys have ended. */
async function pushSample(
  config: SeedConfig,
  name: string,
  state: SeedState,
  signal: AbortSignal,
): Promise<void> {
  const dir = mkdtempSync(join(config.workDir, 'seed-'));
  const tree = openWorkTree({ dir, env: seedEnvironment(config), signal });
  try {
    await tree.init(['-q', '-b', 'main']);
    const versions = versionsOf(join(config.samplesDir, name));
    for (const [index, version] of versions.entries()) {
      clearWorkTree(dir);
      cpSync(version, dir, { recursive: true });
      rmSync(join(dir, 'COMMIT_MESSAGE'), { force: true });
      await tree.add('.');
      await tree.commit(subjectOf(version, name));
      if (index < (state.pushed[name] ?? 0)) continue;
      await tree.push(`${config.gitBaseUrl}/${config.owner}/${name}.git`, 'main');
      state.pushed[name] = index + 1;
      writeFileAtomically(config.stateFile, `${JSON.stringify(state)}\n`);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Pushes the samples that aren't there yet, one after another. `onPushed` is told after each. */
export async function seedSamples(
  config: SeedConfig,
  deps: { logger: Logger; onPushed: (name: string) => void },
  signal: AbortSignal,
): Promise<void> {
  mkdirSync(config.workDir, { recursive: true });
  const state = readState(config.stateFile);
  for (const name of sampleNames(config.samplesDir)) {
    try {
      await pushSample(config, name, state, signal);
      deps.onPushed(name);
    } catch (error) {
      if (signal.aborted) return;
      deps.logger.error({ err: error, sample: name }, 'a sample could not be pushed');
    }
  }
}
