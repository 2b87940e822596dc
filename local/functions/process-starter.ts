import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdtemp } from 'node:fs/promises';
import path from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { type Artifact, openArtifact } from './artifact-store.ts';
import type { SupervisorConfig } from './config.ts';
import type { DesiredFunction } from './desired-function.ts';
import { startForkInstance } from './fork-instance.ts';
import { layOutSecrets, type ReadSecret } from './function-secrets.ts';
import type { Instance } from './instance.ts';
import { endOrphans, markerVariable } from './orphans.ts';
import { createPortPool } from './port-pool.ts';
import { startProcessInstance } from './process-instance.ts';
import { unhealthy, whyNotReady } from './readiness.ts';
import { createRemains, instanceVariable } from './remains.ts';
import { removeFolder } from './remove-folder.ts';
import { createStartGate } from './start-gate.ts';
import type { MakeStarter, Starter, StarterDeps } from './starter.ts';

const gateHoldMs = 2_000;
/** A port that was free at the test may be taken when the function binds it. */
const maxPortTries = 3;
const portTaken = /EADDRINUSE|address already in use/i;

/** Where a function's secrets are, instead of in `/var/openfaas/secrets`: no process has a file system of its own. */
const secretsVariable = 'secret_mount_path';

/** Runs artifacts as processes of this machine. `readSecret`: of the installation. */
export function processStarter(readSecret: ReadSecret = async () => undefined): MakeStarter {
  return (config, deps) => createProcessStarter(config, deps, readSecret);
}

function createProcessStarter(config: SupervisorConfig, deps: StarterDeps, readSecret: ReadSecret): Starter {
  const ports = createPortPool(config.portRange, deps.random);
  const gate = createStartGate(config.maxConcurrentStarts, gateHoldMs);

  const secretsParent = path.join(deps.homesDir, 'secrets');
  const remains = createRemains();
  const clearing = new Set<Promise<void>>();

  /** What cannot be cleared away here is when the platform stops, or starts the next time. */
  async function clear(instanceId: string, home: string | undefined): Promise<void> {
    const secretsDir = path.join(secretsParent, instanceId);
    // Secrets wait for nothing; the second time it is for what a process that was left running has put there.
    const first = await Promise.allSettled([removeFolder(secretsDir), remains.end(instanceId)]);
    const last = await Promise.allSettled([secretsDir, ...(home ? [home] : [])].map(removeFolder));
    for (const step of [...first, ...last]) {
      if (step.status === 'fulfilled') continue;
      deps.logger.warn({ err: step.reason, home }, 'an instance left something behind');
    }
  }

  async function launch(artifact: Artifact, version: DesiredFunction, onOutput: (chunk: Buffer) => void) {
    const instanceId = randomBytes(16).toString('hex');
    let port: number | undefined;
    let home: string | undefined;
    // Looking for what it left running must not delay that its end is known.
    const cleanUp = () => {
      if (port !== undefined) ports.release(port);
      const cleared = clear(instanceId, home).finally(() => clearing.delete(cleared));
      clearing.add(cleared);
    };
    try {
      port = await ports.lease();
      home = await mkdtemp(path.join(deps.homesDir, 'home-'));
      const secretsDir = await layOutSecrets(secretsParent, instanceId, version, readSecret);
      const environment = {
        PATH: config.path,
        HOME: home,
        TMPDIR: home,
        ...artifact.descriptor.environment,
        ...version.environment,
        ...(secretsDir === undefined ? {} : { [secretsVariable]: secretsDir }),
        PORT: String(port),
        http_port: String(port),
        [markerVariable]: deps.marker,
        [instanceVariable]: instanceId,
      };
      const instance = startInstance({ artifact, port, environment, onOutput, limits: config });
      const ended = instance.ended.then((how) => {
        cleanUp();
        return how;
      });
      return { ...instance, ended };
    } catch (error) {
      cleanUp();
      throw startFailure(error);
    }
  }

  async function startHealthy(
    version: DesiredFunction,
    onOutput: (chunk: Buffer) => void,
    signal: AbortSignal,
  ): Promise<Instance> {
    const artifact = await openArtifact(config.artifactsDir, version.image);
    await requireProgram(artifact, config.path);
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted();
      const instance = await launch(artifact, version, onOutput);
      const failure = await whyNotReady(instance, config.readyTimeoutMs, signal);
      if (failure === undefined) return instance;
      instance.kill();
      await instance.ended;
      signal.throwIfAborted();
      const isPortTaken = portTaken.test(failure.message) || instance.tail.includes(portTaken);
      if (!isPortTaken || tries === maxPortTries) throw failure;
    }
  }

  return {
    async start(version, onOutput, signal) {
      const release = await gate.enter(signal);
      try {
        return await startHealthy(version, onOutput, signal);
      } finally {
        release();
      }
    },
    async cleared() {
      await Promise.all(clearing);
    },
    endOrphans: () => endOrphans(deps.marker),
  };
}

function startInstance(spec: Parameters<typeof startProcessInstance>[0]): Instance {
  const { mode } = spec.artifact.descriptor;
  return mode === 'http' ? startProcessInstance(spec) : startForkInstance(spec, mode);
}

function startFailure(error: unknown): Error {
  if (error instanceof TowlineError) return error;
  return unhealthy(`could not be started: ${error instanceof Error ? error.message : String(error)}`);
}

/** Fork modes start their program with the first request only; a missing one is told at once. */
async function requireProgram(artifact: Artifact, searchPath: string): Promise<void> {
  const [program = ''] = artifact.descriptor.command;
  if (artifact.descriptor.mode === 'http') return;
  const folders = program.includes('/') ? [''] : searchPath.split(path.delimiter);
  for (const folder of folders) {
    const file = path.resolve(artifact.root, folder, program);
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return;
  }
  throw unhealthy(`the program "${program}" was not found`);
}
