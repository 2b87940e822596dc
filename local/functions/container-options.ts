import path from 'node:path';
import type { ContainerCreateOptions, MountSettings } from 'dockerode';
import { objectName } from '../../core/names.ts';
import type { DesiredFunction } from './desired-function.ts';
import { unhealthy } from './readiness.ts';

/** What every container may use, unless its function asks for less; more only if the function's limits say so. */
export interface ContainerLimits {
  /** Bytes. Without swap. */
  memoryBytes: number;
  cpus: number;
  /** Processes and threads. */
  pids: number;
  /** Bytes of `/tmp`, which is memory. */
  tmpBytes: number;
}

export const containerLimits: ContainerLimits = {
  memoryBytes: 512 * 1024 * 1024,
  cpus: 1,
  pids: 512,
  tmpBytes: 64 * 1024 * 1024,
};

/** Where functions listen, as OpenFaaS has it. */
export const functionPort = 8080;
const exposed = `${functionPort}/tcp`;
export const secretsTarget = '/var/openfaas/secrets';
const maxVolumes = 8;
/** Who an image's program runs as if the image says root or a name: the user "nobody" of most systems. */
const nobody = '65534:65534';
/** The engine refuses less. */
const leastMemory = 6 * 1024 * 1024;
const leastCpus = 0.01;

/** On every container and network of a supervisor; the value is its marker. */
export const supervisorLabel = 'dev.towline.supervisor';
/** On every container; the value is the instance's random id. */
export const instanceLabel = 'dev.towline.instance';
const functionLabel = 'dev.towline.function';

export interface ContainerRequest {
  version: DesiredFunction;
  /** As the engine knows it. */
  image: string;
  /** `USER` of the image. */
  imageUser: string;
  /** `VOLUME` of the image. */
  imageVolumes?: readonly string[] | undefined;
  /** Of the engine's machine: it refuses a container that asks for more, which then gets all of them. */
  machineCpus?: number | undefined;
  network: string;
  marker: string;
  instanceId: string;
  /** Folder on this machine with the secrets' files; `undefined`: there are none. */
  secretsDir: string | undefined;
  limits: ContainerLimits;
}

/** Everything that keeps a stranger's container from the machine and from its neighbours. */
export function containerOptions(request: ContainerRequest): ContainerCreateOptions {
  const { version, limits, secretsDir } = request;
  const memory = Math.max(leastMemory, memoryBytes(version.limits?.memory) ?? limits.memoryBytes);
  const wantedCpus = cpuCount(version.limits?.cpu) ?? limits.cpus;
  const cpus = Math.min(request.machineCpus ?? Infinity, Math.max(leastCpus, wantedCpus));
  const environment = { ...version.environment, PORT: String(functionPort), http_port: String(functionPort) };
  return {
    // Names are found by other containers of the network: nobody can guess this one.
    name: `towline-${request.instanceId}`,
    Image: request.image,
    User: isOrdinaryUser(request.imageUser) ? request.imageUser : nobody,
    Env: Object.entries(environment)
      .filter(([name]) => !/[=\0]/.test(name))
      .map(([name, value]) => `${name}=${value}`),
    ExposedPorts: { [exposed]: {} },
    Labels: {
      [supervisorLabel]: request.marker,
      [instanceLabel]: request.instanceId,
      [functionLabel]: objectName(version.owner, version.functionName),
    },
    HostConfig: {
      NetworkMode: request.network,
      PortBindings: { [exposed]: [{ HostIp: '127.0.0.1', HostPort: '' }] },
      Memory: memory,
      MemorySwap: memory,
      NanoCpus: Math.round(cpus * 1e9),
      PidsLimit: limits.pids,
      ReadonlyRootfs: true,
      Tmpfs: { '/tmp': `rw,nosuid,nodev,mode=1777,size=${limits.tmpBytes}` },
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Privileged: false,
      // Starting it again is the supervisor's, which knows whether it is still wanted.
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'local', Config: { 'max-size': '1m', 'max-file': '1', compress: 'false' } },
      Mounts: [
        ...volumeMounts(request.imageVolumes ?? [], limits),
        ...(secretsDir === undefined
          ? []
          : [{ Type: 'bind' as const, Source: secretsDir, Target: secretsTarget, ReadOnly: true }]),
      ],
    },
  };
}

/** By number, and not root. What a name stands for the image's own files say, which may call root as they like. */
export function isOrdinaryUser(user: string): boolean {
  return /^0*[1-9]\d{0,8}(?::\d{1,9})?$/.test(user);
}

/** Memory instead of a volume, which would be a folder of the machine without a bound. It counts as the container's own. */
function volumeMounts(volumes: readonly string[], { tmpBytes }: ContainerLimits): MountSettings[] {
  const targets = new Set(volumes.map((volume) => path.resolve('/', volume)));
  for (const taken of ['/tmp', secretsTarget]) targets.delete(taken);
  if (targets.size > maxVolumes) throw unhealthy(`its image has more than ${maxVolumes} volumes`);
  return [...targets].map((Target) => ({
    ...{ Type: 'tmpfs', Source: '', Target },
    TmpfsOptions: { SizeBytes: tmpBytes, Mode: 0o1777 },
  }));
}

const units: Record<string, number> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** Of a Kubernetes quantity, as `128Mi`. `undefined` for none, and for what is no quantity. */
export function memoryBytes(quantity: string | undefined): number | undefined {
  const amount = amountOf(quantity);
  return amount === undefined ? undefined : Math.ceil(amount);
}

/** Of a Kubernetes quantity, as `100m` or `0.5`. */
export function cpuCount(quantity: string | undefined): number | undefined {
  return amountOf(quantity);
}

function amountOf(quantity: string | undefined): number | undefined {
  const [, number, unit = ''] = /^(\d{1,15}(?:\.\d{1,9})?)([A-Za-z]{0,2})$/.exec(quantity ?? '') ?? [];
  const factor = units[unit];
  const amount = factor === undefined ? 0 : Number(number ?? 0) * factor;
  return Number.isSafeInteger(Math.ceil(amount)) && amount > 0 ? amount : undefined;
}
