import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, readdirSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort, type RunningProgram, startProgram } from '../containers/program.ts';
import { ownedFolder } from '../containers/test-owner.ts';

/** A real PostgreSQL on a loopback port, with a folder of its own. */
export interface PostgresServer extends AsyncDisposable {
  url: string;
  start(): Promise<void>;
  /** Without a warning, as a machine that loses its power; what was committed is on the disk. */
  kill(): Promise<void>;
  /** A new, empty database in it. */
  createDatabase(name: string): Promise<string>;
}

const nobody = 65_534;
const debian = '/usr/lib/postgresql';

/** Debian puts the server's programs aside, in a folder for each version. */
function programsDir(): string {
  const dirs = (process.env['PATH'] ?? '').split(':');
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  dirs.push(...versions.map((version) => join(debian, version, 'bin')));
  const found = dirs.find((dir) => existsSync(join(dir, 'initdb')) && existsSync(join(dir, 'postgres')));
  if (found) return found;
  throw new Error('there is no PostgreSQL server: install the package postgresql');
}

/** The server refuses to be root. */
function unprivileged(command: string, args: string[]): { command: string; args: string[] } {
  if (process.getuid?.() !== 0) return { command, args };
  const ids = [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--pdeathsig=KILL', '--'];
  return { command: '/usr/bin/setpriv', args: [...ids, command, ...args] };
}

export async function startPostgres(): Promise<PostgresServer> {
  const programs = programsDir();
  const dir = await ownedFolder('postgres');
  const data = join(dir, 'data');
  await mkdir(data, { recursive: true, mode: 0o700 });
  if (process.getuid?.() === 0) for (const each of [dir, data]) chownSync(each, nobody, nobody);
  const env = { PATH: `${programs}:${process.env['PATH']}`, HOME: dir, LC_ALL: 'C' };
  const init = unprivileged(join(programs, 'initdb'), [
    ...['-D', data, '-U', 'towline', '--auth=trust', '--encoding=UTF8', '--no-locale', '--no-instructions'],
  ]);
  const making = spawn(init.command, init.args, { cwd: '/', env, stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(making, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`initdb ended with ${code}`);

  const port = await freePort();
  const urlOf = (name: string) => `postgresql://towline@127.0.0.1:${port}/${name}`;
  let running: RunningProgram | undefined;

  async function query(text: string): Promise<void> {
    const client = new Client({ connectionString: urlOf('postgres'), connectionTimeoutMillis: 2000 });
    client.on('error', () => {});
    await client.connect();
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  }

  const server: PostgresServer = {
    url: urlOf('postgres'),
    async start() {
      const settings = [
        'listen_addresses=127.0.0.1',
        `port=${port}`,
        'unix_socket_directories=',
        'max_connections=60',
      ];
      const flags = settings.flatMap((setting) => ['-c', setting]);
      running = await startProgram({
        ...unprivileged(join(programs, 'postgres'), ['-D', data, ...flags]),
        ...{ env, cwd: '/' },
        isReady: async () => {
          await query('SELECT 1');
          return true;
        },
      });
    },
    async kill() {
      await running?.kill();
    },
    async createDatabase(name) {
      await query(`CREATE DATABASE ${name}`);
      return urlOf(name);
    },
    async [Symbol.asyncDispose]() {
      await running?.kill();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  await server.start();
  return server;
}
