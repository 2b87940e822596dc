import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { ContainerInfo } from 'dockerode';
import { TowlineError } from '../../core/errors.ts';
import type { SupervisorConfig } from './config.ts';
import {
  type ContainerImagesConfig,
  createContainerImages,
  engineAway,
  engineWords,
  statusOf,
} from './container-images.ts';
import { type ContainerEngine, startContainerInstance } from './container-instance.ts';
import { createContainerNetwork } from './container-network.ts';
import {
  type ContainerLimits,
  containerLimits,
  containerOptions,
  instanceLabel,
  supervisorLabel,
} from './container-options.ts';
import type { DesiredFunction } from './desired-function.ts';
import { layOutSecrets, type ReadSecret } from './function-secrets.ts';
import type { Instance } from './instance.ts';
import { unhealthy, whyNotReady } from './readiness.ts';
import { removeFolder } from './remove-folder.ts';
import { createStartGate } from './start-gate.ts';
import type { MakeStarter, Starter, StarterDeps } from './starter.ts';

export interface ContainerStarterConfig extends ContainerImagesConfig {
  limits?: Partial<ContainerLimits> | undefined;
}

export interface ContainerStarterDeps {
  engine: ContainerEngine;
  /** Default: there are none. */
  readSecret?: ReadSecret | undefined;
}

const gateHoldMs = 2_000;

/** Runs images as containers of a Docker Engine. */
export function containerStarter(config: ContainerStarterConfig, deps: ContainerStarterDeps): MakeStarter {
  return (supervisor, starterDeps) =>
    createContainerStarter({ ...config, supervisor }, { ...deps, ...starterDeps });
}

function createContainerStarter(
  config: ContainerStarterConfig & { supervisor: SupervisorConfig },
  {
    engine,
    readSecret = async () => undefined,
    marker,
    homesDir,
    logger,
  }: ContainerStarterDeps & StarterDeps,
): Starter {
  const { readyTimeoutMs, maxConcurrentStarts } = config.supervisor;
  const limits = { ...containerLimits, ...config.limits };
  const gate = createStartGate(maxConcurrentStarts, gateHoldMs);
  const images = createContainerImages(engine, config);
  const networks = createContainerNetwork(engine.docker, marker);
  const secretsParent = path.join(homesDir, 'secrets');
  /** Instances that have not ended; every other container with our marker is left over. */
  const live = new Set<string>();
  const clearing = new Set<Promise<void>>();
  let mayHaveLeft = false;

  const onLost = () => {
    mayHaveLeft = true;
  };

  async function ours(): Promise<ContainerInfo[]> {
    const filters = { label: [`${supervisorLabel}=${marker}`] };
    return engine.docker.listContainers({ all: true, filters }).catch((error: unknown) => {
      throw engineAway(error);
    });
  }

  async function removeAllBut(kept: ReadonlySet<string>): Promise<number> {
    const left = (await ours()).filter(({ Labels }) => !kept.has(Labels[instanceLabel] ?? ''));
    const removed = await Promise.allSettled(
      left.map(({ Id }) => engine.docker.getContainer(Id).remove({ force: true, v: true })),
    );
    const failed = removed.find((one) => one.status === 'rejected' && statusOf(one.reason) !== 404);
    if (failed?.status === 'rejected') throw engineAway(failed.reason);
    return left.length;
  }

  async function launch(
    version: DesiredFunction,
    onOutput: (chunk: Buffer) => void,
    signal: AbortSignal,
  ): Promise<Instance> {
    const image = await images.find(version, signal);
    const network = await networks.require();
    const instanceId = randomBytes(16).toString('hex');
    const secretsDir = await layOutSecrets(secretsParent, instanceId, version, readSecret);
    const forget = () => {
      live.delete(instanceId);
      if (secretsDir === undefined) return;
      const cleared = removeFolder(secretsDir)
        .catch((error: unknown) => logger.warn({ err: error }, 'the secrets of an instance were left behind'))
        .finally(() => clearing.delete(cleared));
      clearing.add(cleared);
    };
    live.add(instanceId);
    try {
      signal.throwIfAborted();
      const { NCPU: machineCpus }: { NCPU: number } = await engine.docker.info();
      const options = containerOptions({
        machineCpus,
        ...{ version, network, marker, instanceId, secretsDir, limits },
        image: image.name,
        imageUser: image.user,
        imageVolumes: image.volumes,
      });
      const instance = await startContainerInstance(engine, { options, onOutput, onLost });
      const ended = instance.ended.finally(forget);
      return { ...instance, ended };
    } catch (error) {
      forget();
      throw startFailure(error);
    }
  }

  async function startHealthy(
    version: DesiredFunction,
    onOutput: (chunk: Buffer) => void,
    signal: AbortSignal,
  ): Promise<Instance> {
    if (mayHaveLeft) {
      mayHaveLeft = false;
      await removeAllBut(live).catch((error: unknown) => {
        onLost();
        throw error;
      });
    }
    const instance = await launch(version, onOutput, signal);
    const failure = await whyNotReady(instance, readyTimeoutMs, signal);
    if (failure === undefined) return instance;
    instance.kill();
    await instance.ended;
    signal.throwIfAborted();
    throw failure;
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
    async endOrphans() {
      const ended = await removeAllBut(live);
      await networks.remove();
      return ended;
    },
  };
}

/** A refusal of the engine is the image's or the function's; silence is the engine's. */
function startFailure(error: unknown): Error {
  if (error instanceof TowlineError) return error;
  const status = statusOf(error);
  if (status === undefined) return error instanceof DOMException ? error : engineAway(error);
  return unhealthy(`could not be started: ${engineWords((error as Error).message)}`);
}
