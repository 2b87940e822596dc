import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, type RunningProgram, startProgram } from './program.ts';
import { ownedFolder } from './test-owner.ts';

/** The one account of a registry started with `auth: 'htpasswd'`. */
export const registryAccount = { username: 'tester', password: 'loopback-only' };
/** bcrypt of the password above. */
const htpasswd = `${registryAccount.username}:$2b$04$abcdefghijklmnopqrstuuQG6pyK25YDMqCaAtX/0ZPWlMr9ZbPGS\n`;

export interface TokenAuth {
  /** Where the registry sends a client for a token. */
  realm: string;
  service: string;
  issuer: string;
  /** PEM file of the certificate that tokens are signed by. */
  rootcertbundle: string;
}

export interface TestRegistryOptions {
  auth?: 'none' | 'htpasswd' | { token: TokenAuth } | undefined;
  /** A port to listen on again, after an outage. Default: a free one. */
  port?: number | undefined;
  /** A data folder to use again; the caller removes it. Default: a temporary one. */
  dataDir?: string | undefined;
}

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:<port>`, as images are named. */
  host: string;
  /** `http://127.0.0.1:<port>` */
  origin: string;
  port: number;
  program: RunningProgram;
}

/** Debian's docker-registry on a loopback port, without TLS. */
export async function startRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const dir = await ownedFolder('registry');
  const port = options.port ?? (await freePort());
  const dataDir = options.dataDir ?? join(dir, 'data');
  await mkdir(dataDir, { recursive: true });
  await writeFile(join(dir, 'htpasswd'), htpasswd);
  // JSON is YAML.
  const config = {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: dataDir }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}` },
    ...authOf(options.auth, join(dir, 'htpasswd')),
  };
  await writeFile(join(dir, 'config.yml'), JSON.stringify(config));
  const origin = `http://127.0.0.1:${port}`;
  const program = await startProgram({
    command: 'docker-registry',
    args: ['serve', join(dir, 'config.yml')],
    async isReady() {
      const response = await fetch(`${origin}/v2/`);
      await response.arrayBuffer();
      return response.status === 200 || response.status === 401;
    },
  });
  return {
    host: `127.0.0.1:${port}`,
    origin,
    port,
    program,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function authOf(auth: TestRegistryOptions['auth'], htpasswdFile: string): Record<string, unknown> {
  if (auth === undefined || auth === 'none') return {};
  if (auth === 'htpasswd') return { auth: { htpasswd: { realm: 'test', path: htpasswdFile } } };
  return { auth: { token: auth.token } };
}
