import { readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { runProcess } from '../../runtime/run-process.ts';
import { type BaseImageKind, makeBaseImage } from './base-image.ts';
import { hold } from './machine-wide.ts';
import { type RunningProgram, startProgram } from './program.ts';
import { ownedFolder } from './test-owner.ts';

/** A Docker Engine of the test's own: its images, containers and sockets lie in one temporary folder. */
export interface TestDockerd extends AsyncDisposable {
  dir: string;
  /** `unix://…` */
  host: string;
  /** `PATH` with the program that answers as `docker`, and DOCKER_HOST. */
  env: Record<string, string>;
  /** Runs the docker command and gives its standard output; throws with its standard error. */
  docker(args: readonly string[]): Promise<string>;
  /** Puts a base image into the engine and gives its name there. */
  load(kind: BaseImageKind): Promise<string>;
  /** Ends the engine as a crash does: containers go on without it. */
  kill(): Promise<void>;
  /** Starts it again on the same folder and socket. */
  start(): Promise<void>;
}

/**
 * Debian's dockerd, as root. What a sandbox has to allow: overlay mounts, cgroups, bridges and iptables — with less,
 * `--iptables=false` starts too, but then nothing keeps containers apart and no port is published by the kernel.
 * Engines share the filter's chains and the bridge: of test processes one after the other has its own, and a second one
 * waits here.
 */
export async function startDockerd(): Promise<TestDockerd> {
  const turn = await takeTurn();
  try {
    return await startEngine(turn);
  } catch (error) {
    await turn[Symbol.asyncDispose]();
    throw error;
  }
}

let turn: Promise<AsyncDisposable> | undefined;
let engines = 0;

/** It is this process's turn until its last engine has ended. */
async function takeTurn(): Promise<AsyncDisposable> {
  engines += 1;
  turn ??= hold('dockerd');
  const held = await turn;
  return {
    async [Symbol.asyncDispose]() {
      engines -= 1;
      if (engines > 0) return;
      turn = undefined;
      await held[Symbol.asyncDispose]();
    },
  };
}

async function startEngine(turn: AsyncDisposable): Promise<TestDockerd> {
  const dir = await ownedFolder('dockerd');
  const socket = join(dir, 'docker.sock');
  const host = `unix://${socket}`;
  const path = `/usr/bin:/usr/sbin:/bin:/sbin:${process.env['PATH'] ?? ''}`;
  const env = { PATH: path, HOME: dir, DOCKER_HOST: host };
  await writeFile(join(dir, 'daemon.json'), '{}');
  let program: RunningProgram | undefined;

  async function start(): Promise<void> {
    const flags = {
      'config-file': join(dir, 'daemon.json'),
      'data-root': join(dir, 'data'),
      'exec-root': join(dir, 'exec'),
      pidfile: join(dir, 'pid'),
      host,
      // Its own containerd, below exec-root: a machine's would mix up two engines' containers.
      containerd: '',
      // A bridge of its own would clash with the one of an engine that the machine already runs.
      bip: '172.31.255.1/24',
      'shutdown-timeout': '3',
    };
    // Of an engine that was killed: their numbers may be those of other processes by now.
    await rm(join(dir, 'pid'), { force: true });
    await rm(join(dir, 'exec/containerd/containerd.pid'), { force: true });
    program = await startProgram({
      command: 'dockerd',
      args: Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
      env,
      isReady: () => ping(socket),
    });
  }

  async function docker(args: readonly string[]): Promise<string> {
    const done = await runProcess({ command: 'docker', args, env, timeoutMs: 120_000 });
    if (done.exitCode !== 0) throw new Error(`docker ${args.join(' ')}: ${done.stderr}`);
    return done.stdout.toString('utf8').trim();
  }

  async function kill(): Promise<void> {
    await program?.kill();
    program = undefined;
  }

  try {
    await start();
  } catch (error) {
    await clear(dir);
    throw error;
  }
  return {
    dir,
    host,
    env,
    docker,
    async load(kind) {
      const base = await makeBaseImage(kind);
      await docker(['load', '--input', base.archive]);
      return base.name;
    },
    kill,
    start,
    async [Symbol.asyncDispose]() {
      try {
        // One that was killed has left containers running; it ends them when it comes back.
        if (program === undefined) await start();
        await program?.[Symbol.asyncDispose]();
        await clear(dir);
      } finally {
        await turn[Symbol.asyncDispose]();
      }
    },
  };
}

function ping(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ socketPath, path: '/_ping', timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('error', () => resolve(false));
    call.on('timeout', () => call.destroy());
    call.end();
  });
}

/** An engine that was ended leaves mounts, deepest last; a folder with a mount in it cannot be removed. */
async function clear(dir: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith(`${dir}/`))
    .reverse();
  for (const point of mounts) {
    await runProcess({
      command: 'umount',
      args: ['--lazy', point],
      env: { PATH: process.env['PATH'] ?? '' },
      timeoutMs: 10_000,
    });
  }
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}
