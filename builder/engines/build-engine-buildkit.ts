import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import { delay } from '../../runtime/lifecycle.ts';
import type { RegistryCredentials } from '../../runtime/registry/registry-access.ts';
import type { RegistryPattern } from '../../runtime/registry/registry-pattern.ts';
import { runProcess } from '../../runtime/run-process.ts';
import type { Template } from '../templates/template.ts';
import type { BuildEngine, BuildRequest, BuildResult } from './build-engine.ts';
import { timedOut } from './build-steps.ts';
import { buildctlCall, isReservedArg, sourcePolicy } from './buildkit-arguments.ts';
import type { BuildkitEngineConfig } from './buildkit-engine-config.ts';
import { type BuildkitFailure, buildkitError, isUploadCollision, unavailable } from './buildkit-failure.ts';
import { type BuildProgress, createBuildProgress } from './buildkit-progress.ts';
import { readDockerfile, requireKnownFrontend } from './dockerfile-text.ts';
import { requireEntry } from './entry-file.ts';
import { publicPatterns } from './image-sources.ts';
import { createOutputBudget } from './output-budget.ts';
import { createPushedImages, type PushedImages } from './pushed-images.ts';
import { authsOf, loginOf, operatorCredentials, type PullLogin } from './registry-logins.ts';

export interface BuildkitEngineDeps {
  /** What an owner's builds log in with to pull base images, by registry. Default: nothing. */
  ownerLogins?: ((ownerId: string) => Promise<Record<string, PullLogin>>) | undefined;
  /** Which registries an owner's builds may use, besides the platform's own. Default: well-known public ones. */
  allowedRegistries?: ((ownerId: string) => Promise<readonly RegistryPattern[]>) | undefined;
}

export interface BuildkitEngine extends BuildEngine, AsyncDisposable {
  /** What whoever runs the images logs in with; `undefined` for other registries, and without credentials. */
  pullLogin(registry: string): Promise<PullLogin | undefined>;
}

const maxPushes = 3;
const pushRetry = { firstMs: 250, maxMs: 2000 };
const prefix = 'buildkit-';
const Metadata = z.object({ 'containerimage.digest': z.string().regex(/^sha256:[0-9a-f]{64}$/) });

/** Builds images with `buildctl` and a BuildKit daemon, which pushes them to the registry. */
export async function createBuildkitEngine(
  config: BuildkitEngineConfig,
  { ownerLogins = async () => ({}), allowedRegistries = async () => publicPatterns }: BuildkitEngineDeps = {},
): Promise<BuildkitEngine> {
  await mkdir(config.workDir, { recursive: true, mode: 0o700 });
  for (const name of await readdir(config.workDir)) {
    if (name.startsWith(prefix)) await remove(join(config.workDir, name));
  }
  const [host = ''] = config.registry.split('/');
  const { registry, isInsecure } = config;
  const credentials = () => operatorCredentials(config.dockerConfigDir, host);
  const images = createPushedImages({ registry, isInsecure, credentials });
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  return {
    name: 'buildkit',
    registry,
    runsImages: true,
    buildArgs: config.buildArgs,
    has: images.has,
    pullLogin: async (asked) => (asked === host ? loginOf(await credentials()) : undefined),
    async build(request) {
      const signal = AbortSignal.any([request.signal, closing.signal]);
      const building = build(
        { config, images, host, credentials, ownerLogins, allowedRegistries },
        { ...request, signal },
      );
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
      await images[Symbol.asyncDispose]();
    },
  };
}

type Attempt = BuildRequest & { dir: string; deadline: number };

interface Engine {
  config: BuildkitEngineConfig;
  images: PushedImages;
  host: string;
  credentials: () => Promise<RegistryCredentials | undefined>;
  ownerLogins: NonNullable<BuildkitEngineDeps['ownerLogins']>;
  allowedRegistries: NonNullable<BuildkitEngineDeps['allowedRegistries']>;
}

async function build(engine: Engine, request: BuildRequest): Promise<BuildResult> {
  request.signal.throwIfAborted();
  if (request.template) {
    await requireEntry(request.contextDir, request.template);
    await requireDockerfile(request.contextDir, request.template);
  }
  requireKnownFrontend((await readDockerfile(request.contextDir)) ?? '');
  const dir = await mkdtemp(join(engine.config.workDir, prefix));
  try {
    const digest = await solvePatiently(engine, request, dir);
    const sizeBytes = await engine.images.sizeOf(`${request.image}@${digest}`, request.signal);
    return { digest, sizeBytes };
  } finally {
    await remove(dir);
  }
}

async function requireDockerfile(contextDir: string, { language }: Template): Promise<void> {
  const there = await access(join(contextDir, 'Dockerfile')).then(
    () => true,
    () => false,
  );
  if (there) return;
  throw new TowlineError('build_failed', `the template "${language}" has no Dockerfile`, {
    hint: 'use another language, or lang: dockerfile with a Dockerfile of your own',
  });
}

/** Again, if uploads of the same layer at the same time were in each other's way. */
async function solvePatiently(engine: Engine, request: BuildRequest, dir: string): Promise<string> {
  const deadline = Date.now() + request.timeoutMs;
  for (let tries = 1; ; tries += 1) {
    const solved = await solve(engine, { ...request, dir, deadline });
    if (typeof solved === 'string') return solved;
    if (tries >= maxPushes || !isUploadCollision(solved)) throw buildkitError(solved);
    await delay(backoffMs(tries, pushRetry), request.signal);
  }
}

/** The digest, or why there is none. */
async function solve(engine: Engine, request: Attempt): Promise<string | BuildkitFailure> {
  const { config } = engine;
  const { dir, deadline } = request;
  const files = { metadata: join(dir, 'metadata.json'), sourcePolicy: join(dir, 'policy.json') };
  await writeFile(files.sourcePolicy, await policyOf(engine, request));
  await writeFile(join(dir, 'config.json'), await dockerConfig(engine, request.ownerId), { mode: 0o600 });
  for (const name of Object.keys(request.buildArgs).filter(isReservedArg)) {
    request.onLine(`warning: the build argument ${name} is the platform's own and is left out`);
  }
  const { args, environment } = buildctlCall(config, request, files);
  const tooMuch = new AbortController();
  const budget = createOutputBudget((limit) => tooMuch.abort(limit));
  const progress = createBuildProgress({
    onLine(line, part) {
      if (budget.line()) request.onLine(line, part);
    },
    onPhase: (text) => request.onPhase?.(text),
    onOutput: budget.bytes,
  });
  const result = await runProcess({
    command: config.buildctl,
    args,
    cwd: dir,
    env: { PATH: config.path, HOME: dir, DOCKER_CONFIG: dir, ...environment },
    timeoutMs: Math.max(1, deadline - Date.now()),
    signal: AbortSignal.any([request.signal, tooMuch.signal]),
    onOutput(chunk, stream) {
      if (stream === 'stderr' && !tooMuch.signal.aborted) progress.write(chunk);
    },
  }).catch((error: unknown) => {
    if (!isMissingProgram(error)) throw error;
    throw new TowlineError('engine_unavailable', `the program ${config.buildctl} cannot be started`, {
      hint: 'install buildctl of BuildKit where the builder runs',
      cause: error,
    });
  });
  progress.end();
  tooMuch.signal.throwIfAborted();
  if (result.timedOut) throw timedOut(stoppedStep(progress), request.timeoutMs);
  if (result.exitCode !== 0) return failureOf(engine, request, progress);
  return readDigest(files.metadata);
}

async function policyOf({ config, allowedRegistries }: Engine, { owner, ownerId }: Attempt): Promise<string> {
  return sourcePolicy({
    registry: config.registry,
    folders: [owner, ...(config.sharedFolders ?? [])],
    allowed: await allowedRegistries(ownerId ?? ''),
  });
}

function stoppedStep(progress: BuildProgress): string {
  const step = progress.running();
  return step === undefined ? 'the build was stopped' : `step ${step} was stopped`;
}

function failureOf({ config }: Engine, request: BuildRequest, progress: BuildProgress): BuildkitFailure {
  return {
    step: progress.failed(),
    text: progress.rest(),
    registry: config.registry,
    isOwnDockerfile: request.template === null,
  };
}

/** Without a digest there is no image, whatever the exit code says. */
async function readDigest(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '{}');
  try {
    return Metadata.parse(JSON.parse(text))['containerimage.digest'];
  } catch {
    throw unavailable('the builder did not say what it has built', text);
  }
}

/** The owner's own logins and the one that pushes: what else the operator's files hold is no business of a build. */
async function dockerConfig(engine: Engine, ownerId: string | undefined): Promise<string> {
  const { host } = engine;
  const logins = ownerId === undefined ? {} : await engine.ownerLogins(ownerId);
  const own = loginOf(await engine.credentials());
  return JSON.stringify({ auths: authsOf({ ...logins, ...(own && { [host]: own }) }) });
}

function isMissingProgram(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'EACCES';
}

function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 3 });
}
