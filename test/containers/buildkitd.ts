import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tool } from '../cluster/tools.ts';
import { clearLeftovers } from './leftovers.ts';
import { goEnvironment, type RunningProgram, startProgram } from './program.ts';
import { ownedFolder } from './test-owner.ts';

const run = promisify(execFile);

export interface TestBuildkitdOptions {
  /** Hosts of registries without TLS, as `127.0.0.1:5000`. */
  registries?: readonly string[] | undefined;
  /** Listens there, with these files, instead of on a unix socket. */
  tls?:
    | { port: number; ca: string; cert: string; key: string; clientCert: string; clientKey: string }
    | undefined;
  /** For its state and its socket, to be used again; the caller removes it. Default: a temporary one. */
  dir?: string | undefined;
}

export interface TestBuildkitd extends AsyncDisposable {
  /** For `buildctl --addr`. */
  address: string;
  /** The `buildctl` of the same version. */
  buildctl: string;
  program: RunningProgram;
}

/** A BuildKit daemon with the OCI worker. Networking of RUN is the host's: no CNI plugins are asked for. */
export async function startBuildkitd(options: TestBuildkitdOptions = {}): Promise<TestBuildkitd> {
  const buildkitd = await tool('buildkitd');
  const buildctl = await tool('buildctl');
  const dir = options.dir ?? (await ownedFolder('buildkitd'));
  const stateDir = join(dir, 'state');
  await mkdir(stateDir, { recursive: true });
  await clearLeftovers(stateDir);
  const { tls } = options;
  const address = tls ? `tcp://127.0.0.1:${tls.port}` : `unix://${dir}/buildkitd.sock`;
  const config = join(dir, 'buildkitd.toml');
  await writeFile(config, (options.registries ?? []).map(insecureRegistry).join(''));
  const clientFlags = tls
    ? ['--tlscacert', tls.ca, '--tlscert', tls.clientCert, '--tlskey', tls.clientKey]
    : [];
  const program = await startProgram({
    command: buildkitd,
    // BuildKit cuts a step's output at 2 MiB and 200 KiB/s unless it is told otherwise.
    env: { ...inherited(), BUILDKIT_STEP_LOG_MAX_SIZE: '67108864', BUILDKIT_STEP_LOG_MAX_SPEED: '-1' },
    args: [
      ...['--config', config, '--root', stateDir, '--addr', address],
      ...['--oci-worker=true', '--containerd-worker=false', '--oci-worker-net=host'],
      ...(tls ? ['--tlscacert', tls.ca, '--tlscert', tls.cert, '--tlskey', tls.key] : []),
    ],
    async isReady() {
      await run(buildctl, ['--addr', address, ...clientFlags, '--timeout', '2', 'debug', 'workers']);
      return true;
    },
  });
  return {
    address,
    buildctl,
    program,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await clearLeftovers(stateDir);
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

function insecureRegistry(host: string): string {
  return `[registry."${host}"]\n  http = true\n  insecure = true\n`;
}

function inherited(): Record<string, string> {
  return { ...goEnvironment, PATH: `${goEnvironment.PATH}:/usr/sbin:/sbin` };
}
