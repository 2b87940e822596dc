import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { TowlineError } from '../../core/errors.ts';
import { digestOf } from '../../core/names.ts';
import { endMarkedProcesses } from '../../runtime/orphans.ts';
import type { RegistryPattern } from '../../runtime/registry/registry-pattern.ts';
import { type RunResult, runProcess } from '../../runtime/run-process.ts';
import { requireAllowedImages } from './allowed-images.ts';
import type { BuildEngine, BuildRequest, BuildResult } from './build-engine.ts';
import { timedOut } from './build-steps.ts';
import { isReservedArg, requireSecretNames } from './buildkit-arguments.ts';
import { buildkitError, unavailable } from './buildkit-failure.ts';
import { cacheScopeHost, scopeOwner } from './cache-scope.ts';
import type { DockerCommand } from './docker-command.ts';
import { engineAway } from './docker-connection.ts';
import { type ImageSources, publicPatterns } from './image-sources.ts';
import { createOutputBudget } from './output-budget.ts';
import { createPlainProgress, type PlainProgress } from './plain-progress.ts';
import { createPushedImages, type PushedImages } from './pushed-images.ts';
import { authsOf, loginOf, operatorCredentials, type PullLogin } from './registry-logins.ts';

export interface DockerEngineConfig {
  command: DockerCommand;
  /** For one small folder a build: the command's configuration and what it answers. One engine at a time. */
  workDir: string;
  /** A lasting id of the installation: its images carry it, so that no others are ever removed. */
  installation: string;
  /**
   * A lasting secret of hexadecimal digits, in the names of images that stay in the engine: a Dockerfile may name any
   * image that the engine has, so that no owner can know the name of another's.
   */
  hiddenFolder: string;
  /** Where images are pushed to. Default: nowhere; they stay in the engine, named by their id. */
  registry?: string | undefined;
  /** The registry speaks plain HTTP. For loopback only: images and credentials go in clear. */
  isInsecure?: boolean | undefined;
  /** Folders of the registry that every owner's builds may use images of, as `base`. */
  sharedFolders?: readonly string[] | undefined;
  /** A folder with Docker's `config.json`, for pushing; without one, the registry asks for nothing. */
  dockerConfigDir?: string | undefined;
  /** Build arguments of all builds, as of the templates' base images; a function's own go over them. */
  buildArgs?: Readonly<Record<string, string>> | undefined;
}

export interface DockerEngineDeps {
  docker: Docker;
  /** What an owner's builds log in with to pull base images, by registry. Default: nothing. */
  ownerLogins?: ((ownerId: string) => Promise<Record<string, PullLogin>>) | undefined;
  /** Which registries an owner's builds may use. Default: well-known public ones. */
  allowedRegistries?: ((ownerId: string) => Promise<readonly RegistryPattern[]>) | undefined;
}

export interface DockerEngine extends BuildEngine, AsyncDisposable {
  /** What whoever runs the images logs in with; `undefined` for other registries, and without credentials. */
  pullLogin(registry: string): Promise<PullLogin | undefined>;
}

/** The registry part of the names of images that stay in the engine. */
export const dockerRegistry = 'docker.towline.internal';
/** On every image that is built here; its value is the installation's id. */
export const installationLabel = 'dev.towline.installation';

const buildPrefix = 'docker-build-';
const markerVariable = 'TOWLINE_ENGINE';
const markerFile = '.docker-engine';
const pushTimeoutMs = 600_000;

interface Engine {
  config: DockerEngineConfig;
  deps: DockerEngineDeps;
  /** Where it pushes to. */
  pushed: PushedImages | undefined;
  /** The newest push of each name: another build's would push that one's image, and be told its digest. */
  pushing: Map<string, Promise<string>>;
  marker: string;
}

/** Builds with the BuildKit of a Docker Engine, by its command: a build ends with the command's process. */
export async function createDockerEngine(
  config: DockerEngineConfig,
  deps: DockerEngineDeps,
): Promise<DockerEngine> {
  await mkdir(config.workDir, { recursive: true });
  const marker = await lastingMarker(join(config.workDir, markerFile));
  // Builds of a platform that was killed go on in the engine for as long as their commands live.
  await endMarkedProcesses(markerVariable, marker);
  for (const name of await readdir(config.workDir)) {
    if (name.startsWith(buildPrefix)) await removeTree(join(config.workDir, name));
  }
  const pushed = pushedImages(config);
  const engine: Engine = { config, deps, marker, pushed, pushing: new Map() };
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  return {
    name: 'docker',
    registry: config.registry ?? dockerRegistry,
    runsImages: true,
    buildArgs: config.buildArgs,
    pullLogin: async (host) => (host === hostOf(config) ? platformLogin(config) : undefined),
    has: (image) => hasImage(engine, image),
    async build(request) {
      const signal = AbortSignal.any([request.signal, closing.signal]);
      const buildArgs = { ...config.buildArgs, ...request.buildArgs };
      const building = build(engine, { ...request, buildArgs, signal });
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
      await pushed?.[Symbol.asyncDispose]();
    },
  };
}

function hostOf({ registry }: DockerEngineConfig): string | undefined {
  return registry?.split('/')[0];
}

async function platformLogin(config: DockerEngineConfig): Promise<PullLogin | undefined> {
  return loginOf(await operatorCredentials(config.dockerConfigDir, hostOf(config) ?? ''));
}

function pushedImages(config: DockerEngineConfig): PushedImages | undefined {
  const { registry, isInsecure = false, dockerConfigDir } = config;
  if (registry === undefined) return undefined;
  const credentials = () => operatorCredentials(dockerConfigDir, hostOf(config) ?? '');
  return createPushedImages({ registry, isInsecure, credentials });
}

async function hasImage({ deps, pushed }: Engine, image: string): Promise<boolean> {
  const digest = digestOf(image);
  if (digest === undefined) return false;
  if (pushed) return await pushed.has(image);
  try {
    await deps.docker.getImage(digest).inspect();
    return true;
  } catch (error) {
    if (statusOf(error) === 404 || statusOf(error) === 400) return false;
    throw engineAway(error);
  }
}

async function build(engine: Engine, request: BuildRequest): Promise<BuildResult> {
  request.signal.throwIfAborted();
  if (request.platforms.length > 1) {
    throw new TowlineError('build_failed', 'the Docker Engine builds for one platform at a time', {
      hint: `name one of ${request.platforms.join(', ')}, or use an installation with BuildKit`,
    });
  }
  const deadline = Date.now() + request.timeoutMs;
  await requireAllowedImages(request, await sourcesOf(engine, request));
  const dir = await mkdtemp(join(engine.config.workDir, buildPrefix));
  try {
    const environment = await commandEnvironment(engine, dir, request);
    await buildImage(engine, request, { dir, environment, deadline });
    const id = (await readFile(join(dir, 'iid'), 'utf8')).trim();
    const { Size: sizeBytes } = await engine.deps.docker
      .getImage(id)
      .inspect()
      .catch((error: unknown) => {
        throw engineAway(error);
      });
    if (engine.config.registry === undefined) return { digest: id, sizeBytes };
    return { digest: await pushAlone(engine, { request, id, environment }), sizeBytes };
  } finally {
    await endMarkedProcesses(`${markerVariable}_BUILD`, dir);
    await removeTree(dir);
  }
}

async function sourcesOf({ config, deps }: Engine, { owner, ownerId }: BuildRequest): Promise<ImageSources> {
  const allowed = await deps.allowedRegistries?.(ownerId ?? '');
  const folders = [owner, ...(config.sharedFolders ?? [])];
  return { registry: config.registry, folders, allowed: allowed ?? publicPatterns };
}

/** The user's own docker configuration stays out: its credentials are not the tenants'. */
async function commandEnvironment(
  { config, deps, marker }: Engine,
  dir: string,
  request: BuildRequest,
): Promise<Record<string, string>> {
  const configuration = {
    auths: await authsFor(config, deps, request),
    cliPluginsExtraDirs: config.command.pluginDirs,
  };
  await writeFile(join(dir, 'config.json'), JSON.stringify(configuration), { mode: 0o600 });
  return {
    ...config.command.environment,
    DOCKER_CONFIG: dir,
    DOCKER_BUILDKIT: '1',
    DOCKER_CLI_HINTS: 'false',
    // The engine's own builder, and nothing beside the image: an attestation would change its digest each time.
    BUILDX_BUILDER: 'default',
    BUILDX_NO_DEFAULT_ATTESTATIONS: '1',
    [markerVariable]: marker,
    [`${markerVariable}_BUILD`]: dir,
  };
}

/** The owner's own logins and the one that pushes: what else the operator's files hold is no business of a build. */
async function authsFor(config: DockerEngineConfig, deps: DockerEngineDeps, { ownerId }: BuildRequest) {
  const logins = ownerId === undefined ? {} : ((await deps.ownerLogins?.(ownerId)) ?? {});
  const host = hostOf(config);
  const own = host === undefined ? undefined : await platformLogin(config);
  return authsOf({ ...logins, ...(own && host !== undefined ? { [host]: own } : {}) });
}

interface Attempt {
  dir: string;
  environment: Record<string, string>;
  /** Milliseconds since the epoch. */
  deadline: number;
}

async function buildImage(engine: Engine, request: BuildRequest, attempt: Attempt): Promise<void> {
  const { onPhase = () => {}, onLine } = request;
  const tooMuch = new AbortController();
  const budget = createOutputBudget((error) => tooMuch.abort(error));
  const progress = createPlainProgress({
    onPhase,
    onLine: (line, part) => budget.line() && onLine(line, part),
  });
  requireSecretNames(request.secrets);
  const secrets = secretEnvironment(request.secrets);
  const done = await runProcess({
    command: engine.config.command.program,
    args: buildArguments(engine.config, request, attempt.dir),
    cwd: request.contextDir,
    env: { ...attempt.environment, ...secrets },
    timeoutMs: Math.max(1, attempt.deadline - Date.now()),
    signal: AbortSignal.any([request.signal, tooMuch.signal]),
    onOutput(chunk) {
      if (tooMuch.signal.aborted) return;
      budget.bytes(chunk.length);
      progress.write(chunk);
    },
  });
  progress.end();
  tooMuch.signal.throwIfAborted();
  if (done.timedOut) throw timedOut(`step ${progress.lastStep() || 'one'} was stopped`, request.timeoutMs);
  if (done.exitCode !== 0) throw whyNotBuilt(done, progress, request);
}

/** Values go by the environment: arguments are seen by every user of the machine. */
function secretEnvironment(secrets: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.values(secrets).map((value, index) => [secretVariable(index), value]));
}

function secretVariable(index: number): string {
  return `TOWLINE_BUILD_SECRET_${index}`;
}

/** Cache mounts are named by Dockerfiles: one owner's must not be another's, where BuildKit is new enough to know. */
function ownArguments(request: BuildRequest): Record<string, string> {
  const own = Object.entries(request.buildArgs).filter(([name]) => !isReservedArg(name));
  return { ...Object.fromEntries(own), BUILDKIT_CACHE_MOUNT_NS: scopeOwner(request) };
}

function buildArguments(config: DockerEngineConfig, request: BuildRequest, dir: string): string[] {
  const labels = { ...request.labels, [installationLabel]: config.installation };
  const pairs = (flag: string, values: Record<string, string>) =>
    Object.entries(values).map(([name, value]) => `${flag}=${name}=${value}`);
  return [
    'build',
    '--progress=plain',
    `--iidfile=${join(dir, 'iid')}`,
    `--tag=${imageTag(config, request.image)}`,
    ...pairs('--label', labels),
    ...pairs('--build-arg', ownArguments(request)),
    `--add-host=${cacheScopeHost(config.hiddenFolder, request)}:127.0.0.1`,
    ...(request.noCache ? ['--no-cache'] : []),
    ...Object.keys(request.secrets).map((id, index) => `--secret=id=${id},env=${secretVariable(index)}`),
    ...request.platforms.map((platform) => `--platform=${platform}`),
    '.',
  ];
}

const engineGone =
  /cannot connect to the docker daemon|error during connect|docker daemon.* running|\.sock: connect|did not provide an image id|unexpected eof/i;

/** The engine's own name for an image: the registry's is given for a push alone, so that no build at the same time takes it. */
function imageTag({ hiddenFolder }: DockerEngineConfig, image: string): string {
  return `${dockerRegistry}/${hiddenFolder}${image.slice(image.indexOf('/'))}`;
}

function whyNotBuilt(
  done: RunResult,
  progress: PlainProgress,
  { template, image }: BuildRequest,
): TowlineError {
  const text = progress.complaints().join('\n');
  // Where a step has failed, the command repeats what it printed, which may be anything.
  const step = progress.failed();
  if (!step && engineGone.test(text)) return unavailable('the Docker Engine does not answer', text);
  if (done.exitCode === null) return unavailable(`the docker command was ended by ${done.endedBy}`, text);
  const registry = image.slice(0, image.indexOf('/'));
  return buildkitError({ step, text, registry, isOwnDockerfile: template === null });
}

interface Push {
  request: BuildRequest;
  /** Of the image that was built. */
  id: string;
  environment: Record<string, string>;
}

/** Pushes of one name come one after another: what is pushed is what the name stands for at that moment. */
async function pushAlone(engine: Engine, work: Push): Promise<string> {
  const { pushing } = engine;
  const { image } = work.request;
  const before = pushing.get(image) ?? Promise.resolve('');
  const mine = before.then(
    () => push(engine, work),
    () => push(engine, work),
  );
  pushing.set(image, mine);
  try {
    return await mine;
  } finally {
    if (pushing.get(image) === mine) pushing.delete(image);
  }
}

/** Gives the digest under which the registry has it. */
async function push(engine: Engine, { request, id, environment: env }: Push): Promise<string> {
  const { docker } = engine.deps;
  const [repo, tag] = [
    request.image.slice(0, request.image.lastIndexOf(':')),
    request.image.split(':').at(-1),
  ];
  await docker
    .getImage(id)
    .tag({ repo, tag: tag ?? 'latest' })
    .catch((error: unknown) => {
      throw engineAway(error);
    });
  const done = await runProcess({
    command: engine.config.command.program,
    args: ['push', '--quiet', request.image],
    env,
    timeoutMs: pushTimeoutMs,
    signal: request.signal,
  });
  if (done.exitCode !== 0) {
    const error = done.stderr.trim().split('\n').at(-1) ?? '';
    if (engineGone.test(error)) throw unavailable('the Docker Engine does not answer', error);
    const step = { name: 'pushing', error, telling: '' };
    const registry = engine.config.registry ?? '';
    throw buildkitError({ step, text: error, registry, isOwnDockerfile: false });
  }
  const { RepoDigests } = await docker.getImage(id).inspect();
  const digest = RepoDigests.find((one) => one.startsWith(`${repo}@`));
  const pushed = digest === undefined ? undefined : digestOf(digest);
  if (pushed === undefined) throw new TowlineError('registry_unavailable', 'the registry gave no digest');
  return pushed;
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

function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number }).statusCode;
}

function removeTree(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 3 });
}
