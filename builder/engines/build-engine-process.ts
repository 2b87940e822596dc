import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { artifactRegistry } from '../../core/artifact.ts';
import { TowlineError } from '../../core/errors.ts';
import { digestOf } from '../../core/names.ts';
import { endMarkedProcesses } from '../../runtime/orphans.ts';
import { type ArtifactStore, openArtifactStore } from './artifact-store.ts';
import type { BuildEngine, BuildRequest, BuildResult } from './build-engine.ts';
import { requireProgram, runSteps, timedOut } from './build-steps.ts';
import { requireEntry } from './entry-file.ts';

export interface ProcessEngineConfig {
  /** The artifact store: `<artifactsDir>/<64 hex>/{artifact.json,root/}`. Best on one file system with the contexts. */
  artifactsDir: string;
  /** Caches that builds share (npm, pip). */
  workDir: string;
  /** The builds' `PATH`. */
  path: string;
  /** Default: 512 MiB. */
  maxArtifactBytes?: number | undefined;
  /** Each build gets a fresh, empty home in here, removed at its end. */
  homeDir: string;
  /** What else a build's programs may know, as the machine's proxy or package index. Nothing else is inherited. */
  environment?: Record<string, string> | undefined;
}

const defaultMaxArtifactBytes = 512 * 1024 * 1024;
const homePrefix = 'build-home-';
/** Every process of a build carries the engine's lasting id under this name, and hands it on to what it starts. */
const markerVariable = 'TOWLINE_ENGINE';
const markerFile = '.build-engine';

type MarkedConfig = ProcessEngineConfig & { marker: string };

/** Builds with plain child processes of the platform's own user: fine for one's own code, unsafe for strangers'. */
export async function createProcessEngine(
  config: ProcessEngineConfig,
): Promise<BuildEngine & AsyncDisposable> {
  const store = await openArtifactStore(
    config.artifactsDir,
    config.maxArtifactBytes ?? defaultMaxArtifactBytes,
  );
  await mkdir(config.homeDir, { recursive: true });
  const marker = await lastingMarker(join(config.homeDir, markerFile));
  // Builds of a platform that was killed go on, and would write into the folders that are removed here.
  await endMarkedProcesses(markerVariable, marker);
  for (const name of await readdir(config.homeDir)) {
    if (name.startsWith(homePrefix)) await removeHome(join(config.homeDir, name));
  }
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  return {
    name: 'process',
    registry: artifactRegistry,
    runsImages: false,
    has: (image) => store.has(digestOf(image) ?? ''),
    async build(request) {
      const signal = AbortSignal.any([request.signal, closing.signal]);
      const building = build({ ...config, marker }, store, { ...request, signal });
      running.add(building);
      try {
        return await building;
      } finally {
        running.delete(building);
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new TowlineError('unavailable', 'the platform is stopping'));
      await Promise.allSettled(running);
      // What left its process group would outlive the platform.
      await endMarkedProcesses(markerVariable, marker);
    },
  };
}

async function build(
  config: MarkedConfig,
  store: ArtifactStore,
  request: BuildRequest,
): Promise<BuildResult> {
  const { template, contextDir } = request;
  if (!template) {
    throw new TowlineError('language_unknown', 'plain processes cannot build a Dockerfile', {
      hint: 'use a language template, or an installation that builds images (npm start -- --engine docker)',
    });
  }
  request.signal.throwIfAborted();
  sayUnused(request);
  const deadline = Date.now() + request.timeoutMs;
  await requireProgram(template.command[0] ?? '', config.path, template.language);
  await requireEntry(contextDir, template);
  let home: string | undefined;
  try {
    await runSteps({ ...request, template }, async () => {
      home = await mkdtemp(join(config.homeDir, homePrefix));
      return { env: stepEnvironment(config, home, request.buildArgs), deadline, signal: request.signal };
    });
    const limit = AbortSignal.timeout(Math.max(1, deadline - Date.now()));
    const { language, mode, command, environment } = template;
    return await store.put(
      contextDir,
      { version: 1, language, mode, command, environment },
      AbortSignal.any([request.signal, limit]),
    );
  } catch (error) {
    if (error instanceof DOMException && error.name === 'TimeoutError') {
      throw timedOut('storing what was built was stopped', request.timeoutMs);
    }
    throw error;
  } finally {
    if (home !== undefined) {
      // Each build has a home of its own, so that what left its process group is known by it.
      await endMarkedProcesses('HOME', home);
      await removeHome(home);
    }
  }
}

/** Nothing that a stack file asks for is dropped in silence. */
function sayUnused({ platforms, secrets, onLine }: BuildRequest): void {
  if (platforms.length > 0) {
    onLine(`platforms ${platforms.join(', ')} are ignored: plain processes build for this machine`);
  }
  const ids = Object.keys(secrets);
  if (ids.length > 0) onLine(`build secrets ${ids.join(', ')} are not used: plain processes have no mounts`);
}

/** Build arguments are variables, as Docker's are; they cannot change what keeps builds apart. */
function stepEnvironment(
  config: MarkedConfig,
  home: string,
  buildArgs: Record<string, string>,
): Record<string, string> {
  const usable = Object.entries(buildArgs).filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  return {
    ...Object.fromEntries(usable),
    ...config.environment,
    PATH: config.path,
    HOME: home,
    TMPDIR: home,
    LANG: 'C.UTF-8',
    CI: '1',
    npm_config_cache: join(config.workDir, 'npm-cache'),
    XDG_CACHE_HOME: join(config.workDir, 'cache'),
    [markerVariable]: config.marker,
  };
}

/** Written whole or not at all: processes marked by a lost id would never be found. */
async function lastingMarker(file: string): Promise<string> {
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim();
  if (/^[0-9a-f]{32}$/.test(kept)) return kept;
  const marker = randomBytes(16).toString('hex');
  await writeFile(`${file}.new`, marker, { mode: 0o600, flush: true });
  await rename(`${file}.new`, file);
  return marker;
}

function removeHome(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 3 });
}
