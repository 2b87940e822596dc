import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuthConfig } from 'dockerode';
import {
  type BuildEngine,
  buildkitConfig,
  connectDocker,
  createBuildkitEngine,
  createDockerEngine,
  createProcessEngine,
  dockerImages,
  dockerRegistry,
  findDockerCommand,
  installationLabel,
  type PullLogin,
  type RegistryPattern,
  requireEngine,
} from '../builder/index.ts';
import { digestOf } from '../core/names.ts';
import { keptSecret } from '../runtime/kept-secret.ts';
import { type ArtifactShelf, createFolderShelf } from './artifact-shelf.ts';
import type { LocalConfig } from './config.ts';
import type { DataFolder } from './data-folder.ts';
import { createImageShelf } from './docker-image-shelf.ts';
import {
  type ContainerLimits,
  containerStarter,
  processStarter,
  type SupervisorDeps,
} from './functions/index.ts';

/** What builds functions on this machine, and what runs them. */
export interface LocalEngine extends AsyncDisposable {
  build: BuildEngine;
  makeStarter: NonNullable<SupervisorDeps['makeStarter']>;
  /** Whether an image that a manifest names can be run. */
  imageExists(image: string): Promise<boolean>;
  /** What was built, to be swept. */
  shelf: ArtifactShelf;
}

export interface LocalEngineDeps {
  data: DataFolder;
  path: string;
  /** For builds as processes, besides the PATH. */
  buildEnvironment: Record<string, string>;
  /** `dockerVariables` of the environment. */
  dockerEnvironment: Record<string, string>;
  /** The value of an owner's secret that this installation keeps. */
  readSecret: (ownerId: string, name: string) => Promise<string | undefined>;
  /** For pulling others' images in the name of an owner. */
  registryCredentials?: ((ownerId: string, registry: string) => Promise<AuthConfig | undefined>) | undefined;
  /** For base images of an owner's builds, by registry. */
  ownerLogins?: ((ownerId: string) => Promise<Record<string, PullLogin>>) | undefined;
  /** Which registries an owner's builds may use. */
  allowedRegistries?: ((ownerId: string) => Promise<readonly RegistryPattern[]>) | undefined;
}

/** What the docker command is told of by the environment. */
export const dockerVariables = [
  ...['DOCKER_HOST', 'DOCKER_CONTEXT', 'DOCKER_TLS_VERIFY', 'DOCKER_CERT_PATH', 'DOCKER_API_VERSION', 'HOME'],
];

/** Throws `engine_unavailable` if the engine that is asked for is not there. */
export function createLocalEngine(config: LocalConfig, deps: LocalEngineDeps): Promise<LocalEngine> {
  if (config.engine === 'docker') return dockerEngine(config, deps);
  return config.engine === 'buildkit' ? buildkitEngine(config, deps) : processEngine(deps);
}

async function processEngine({
  data,
  path,
  buildEnvironment,
  readSecret,
}: LocalEngineDeps): Promise<LocalEngine> {
  const artifactsDir = data.at('artifacts');
  const build = await createProcessEngine({
    artifactsDir,
    workDir: data.at('work'),
    homeDir: data.at('work'),
    path,
    environment: buildEnvironment,
  });
  return {
    build,
    makeStarter: processStarter(readSecret),
    imageExists: (image) => hasArtifact(artifactsDir, image),
    shelf: createFolderShelf(artifactsDir),
    [Symbol.asyncDispose]: () => build[Symbol.asyncDispose](),
  };
}

async function dockerEngine(config: LocalConfig, deps: LocalEngineDeps): Promise<LocalEngine> {
  const { data, path, dockerEnvironment, readSecret, registryCredentials } = deps;
  const command = await findDockerCommand({ path, environment: dockerEnvironment });
  const docker = connectDocker(command);
  await requireEngine(docker, command.host);
  const secret = keptSecret(data.at('keys', 'installation'));
  const [installation, hiddenFolder] = [secret.slice(0, 32), secret.slice(32)];
  const build = await createDockerEngine(
    { command, workDir: data.at('work'), installation, hiddenFolder, ...dockerImages(config) },
    { docker, ownerLogins: deps.ownerLogins, allowedRegistries: deps.allowedRegistries },
  );
  const credentials = async (ownerId: string, registry: string) =>
    (await build.pullLogin(registry)) ?? registryCredentials?.(ownerId, registry);
  const engine = { docker, patient: connectDocker(command, 0) };
  return {
    build,
    makeStarter: containerStarter(
      { localRegistry: dockerRegistry, limits: limitsOf(config), credentials },
      { engine, readSecret },
    ),
    // What is in others' registries is known when it is pulled; a manifest that names it may be written.
    imageExists: async (image) => !image.startsWith(`${build.registry}/`) || build.has(image),
    shelf: createImageShelf(docker, {
      registry: dockerRegistry,
      label: `${installationLabel}=${installation}`,
    }),
    [Symbol.asyncDispose]: () => build[Symbol.asyncDispose](),
  };
}

/** BuildKit puts images into the registry; the Docker Engine of this machine takes them from there. */
async function buildkitEngine(config: LocalConfig, deps: LocalEngineDeps): Promise<LocalEngine> {
  const { data, path, dockerEnvironment, readSecret, registryCredentials } = deps;
  const command = await findDockerCommand({ path, environment: dockerEnvironment });
  const docker = connectDocker(command);
  await requireEngine(docker, command.host);
  const cacheKey = keptSecret(data.at('keys', 'installation'));
  const build = await createBuildkitEngine(
    buildkitConfig(config, { path, workDir: data.at('work'), cacheKey }),
    {
      ownerLogins: deps.ownerLogins,
      allowedRegistries: deps.allowedRegistries,
    },
  );
  const engine = { docker, patient: connectDocker(command, 0) };
  const credentials = async (ownerId: string, registry: string) =>
    (await build.pullLogin(registry)) ?? registryCredentials?.(ownerId, registry);
  return {
    build,
    makeStarter: containerStarter(
      { localRegistry: dockerRegistry, limits: limitsOf(config), credentials },
      { engine, readSecret },
    ),
    imageExists: async (image) => !image.startsWith(`${build.registry}/`) || build.has(image),
    // What a registry holds is its operator's to remove.
    shelf: { list: async () => [], remove: async () => {}, tidy: async () => {} },
    [Symbol.asyncDispose]: () => build[Symbol.asyncDispose](),
  };
}

function limitsOf(config: LocalConfig): Partial<ContainerLimits> {
  return {
    memoryBytes: config.containerMemoryMb * 1024 * 1024,
    cpus: config.containerCpus,
    pids: config.containerPids,
  };
}

/** Artifacts are folders named by their digest. */
function hasArtifact(artifactsDir: string, image: string): Promise<boolean> {
  const digest = digestOf(image)?.slice('sha256:'.length);
  if (digest === undefined) return Promise.resolve(false);
  return access(join(artifactsDir, digest)).then(
    () => true,
    () => false,
  );
}
