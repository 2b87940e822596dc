import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, type RunningProgram, startProgram } from '../../containers/program.ts';

export const programNames = ['manifest-writer', 'builder', 'router', 'auth', 'ui'] as const;
export type ProgramName = (typeof programNames)[number];

const packageDir = join(import.meta.dirname, '../../..');
const entry: Record<ProgramName, string> = {
  'manifest-writer': 'manifest-writer/main.ts',
  builder: 'builder/main.ts',
  router: 'router/main.ts',
  auth: 'auth/main.ts',
  ui: 'ui/server/main.ts',
};

export interface Ports {
  /** For the outside. */
  port: number;
  /** Of internal calls and probes. */
  internalPort: number;
}

export type AllPorts = Record<ProgramName, Ports> & { publish: number };

/** They stay the same when programs are started again, as their Services' addresses do. */
export async function choosePorts(): Promise<AllPorts> {
  const ports = { publish: await freePort() } as AllPorts;
  for (const name of programNames) ports[name] = { port: await freePort(), internalPort: await freePort() };
  return ports;
}

export interface ProgramsOptions {
  ports: AllPorts;
  /** Each program's data is in a folder of it, as on its volume. */
  dir: string;
  env: Record<ProgramName, Record<string, string>>;
  /** What the router sees as /etc/hosts. */
  hostsFile: string;
}

/** The platform's five programs, as real processes. */
export interface Programs extends AsyncDisposable {
  start(name: ProgramName): Promise<void>;
  /** As `kill -9` does, with everything that it has started. */
  kill(name: ProgramName): Promise<void>;
  /** SIGTERM, and waits. */
  stop(name: ProgramName): Promise<void>;
  restart(name: ProgramName): Promise<void>;
  output(name: ProgramName): string;
  /** Runs one of a program's commands, as `kubectl exec` does; gives what it prints. */
  envOf(name: ProgramName): Record<string, string>;
}

export function createPrograms({ ports, dir, env, hostsFile }: ProgramsOptions): Programs {
  const running = new Map<ProgramName, RunningProgram>();
  const outputs = new Map<ProgramName, string>();

  function envOf(name: ProgramName): Record<string, string> {
    const { port, internalPort } = ports[name];
    return {
      PATH: process.env['PATH'] ?? '',
      ...compileCache(),
      HOME: join(dir, name),
      TOWLINE_HOST: '127.0.0.1',
      TOWLINE_DATA: join(dir, name),
      TOWLINE_LOG_LEVEL: 'info',
      PORT: String(port),
      TOWLINE_INTERNAL_PORT: String(internalPort),
      ...env[name],
    };
  }

  async function start(name: ProgramName): Promise<void> {
    await mkdir(join(dir, name), { recursive: true });
    const node = [process.execPath, join(packageDir, entry[name])];
    const [command = '', ...args] = name === 'router' ? [...withHosts(hostsFile), ...node] : node;
    const program = await startProgram({
      ...{ command, args, cwd: packageDir, env: envOf(name) },
      isReady: async () => (await fetch(`http://127.0.0.1:${ports[name].internalPort}/readyz`)).ok,
      timeoutMs: 90_000,
    });
    running.set(name, program);
  }

  async function end(name: ProgramName, how: (program: RunningProgram) => Promise<void>): Promise<void> {
    const program = running.get(name);
    if (!program) return;
    running.delete(name);
    await how(program);
    outputs.set(name, ((outputs.get(name) ?? '') + program.output()).slice(-200_000));
  }

  const kill = (name: ProgramName) => end(name, (program) => program.kill());
  const stop = (name: ProgramName) => end(name, async (program) => program[Symbol.asyncDispose]());
  return {
    ...{ start, kill, stop, envOf },
    async restart(name) {
      await stop(name);
      await start(name);
    },
    output: (name) => (outputs.get(name) ?? '') + (running.get(name)?.output() ?? ''),
    async [Symbol.asyncDispose]() {
      await Promise.all(programNames.map(stop));
    },
  };
}

/** What one program's start has compiled is there for the next one's. */
function compileCache(): Record<string, string> {
  const dir = process.env['NODE_COMPILE_CACHE'];
  return dir === undefined ? {} : { NODE_COMPILE_CACHE: dir };
}

/** A mount namespace of its own, whose /etc/hosts knows the functions' Services; the process is replaced, not wrapped. */
function withHosts(file: string): string[] {
  return ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', file];
}
