import { readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { runProcess } from '../../runtime/run-process.ts';

/** The docker command of this machine, and the engine that it talks to. */
export interface DockerCommand {
  /** The program's path. */
  program: string;
  /** `unix:///…` or `tcp://…`: of DOCKER_HOST, or else of the command's current context. */
  host: string;
  /** What every call of the command gets, besides what its caller adds. */
  environment: Record<string, string>;
  /** Folders in which `docker buildx` and other plugins lie. */
  pluginDirs: string[];
}

export interface DockerSearch {
  path: string;
  /** DOCKER_HOST, DOCKER_CONTEXT, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and HOME, as far as they are set. */
  environment: Record<string, string>;
}

const probeTimeoutMs = 15_000;
/** From this version on the command leaves BuildKit to its plugin buildx. */
const firstWithoutBuildKit = 23;
const installHint = 'install Docker 20.10 or newer (from 23 on with its buildx plugin), and start it';

/** Finds the first docker command on the PATH that can build with BuildKit. Throws `engine_unavailable`. */
export async function findDockerCommand(search: DockerSearch): Promise<DockerCommand> {
  const environment = { ...search.environment, PATH: search.path };
  let why = 'the program "docker" is not on the PATH';
  for (const folder of search.path.split(delimiter).filter((one) => one !== '')) {
    const program = join(folder, 'docker');
    const version = await ask(program, ['--version'], environment);
    const major = Number(/version (\d+)\./.exec(version ?? '')?.[1] ?? Number.NaN);
    if (Number.isNaN(major)) continue;
    if (
      major < firstWithoutBuildKit ||
      (await ask(program, ['buildx', 'version'], environment)) !== undefined
    )
      return finish(program, environment);
    why = `${program} (version ${major}) has no buildx plugin`;
  }
  throw new TowlineError('engine_unavailable', `images cannot be built: ${why}`, { hint: installHint });
}

async function finish(program: string, environment: Record<string, string>): Promise<DockerCommand> {
  const format = ['--format', '{{.Endpoints.docker.Host}}'];
  const host =
    environment['DOCKER_HOST'] ||
    (await ask(program, ['context', 'inspect', ...format], environment))?.trim();
  if (host === undefined || host === '') {
    throw new TowlineError('engine_unavailable', 'the docker command does not say where its engine is', {
      hint: 'set DOCKER_HOST',
    });
  }
  const plugins = join(environment['HOME'] ?? '/nonexistent', '.docker', 'cli-plugins');
  const hasPlugins = await readdir(plugins).then(
    () => true,
    () => false,
  );
  return {
    program,
    host,
    environment: { ...environment, DOCKER_HOST: host },
    pluginDirs: hasPlugins ? [plugins] : [],
  };
}

/** The standard output, or `undefined` if it cannot be run or fails. */
async function ask(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<string | undefined> {
  const done = await runProcess({ command: program, args, env, timeoutMs: probeTimeoutMs }).catch(
    () => undefined,
  );
  return done?.exitCode === 0 ? done.stdout.toString('utf8') : undefined;
}
