import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** OpenSSH's server must be started by its full path. */
const sshd = '/usr/sbin/sshd';

export interface SshServer {
  port: number;
  user: string;
  hostKey: string;
  /** What the server wrote to its log. */
  lines: string[];
  allow(publicKey: string): Promise<void>;
}

/** Makes a key without a passphrase; gives the text of the public one. */
export async function makeKey(path: string): Promise<string> {
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', path]);
  return (await readFile(`${path}.pub`, 'utf8')).trim();
}

/** For tests: a real sshd on a port of its own, which lets keys use git alone. One process for each connection. */
export async function startSshServer(t: TestContext, folder: string): Promise<SshServer> {
  await mkdir(folder, { recursive: true });
  // Where a server that root starts keeps its unprivileged half; the system makes it when it starts its own.
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  const hostKey = await makeKey(join(folder, 'host'));
  const config = join(folder, 'sshd_config');
  const allowed = join(folder, 'authorized_keys');
  await writeFile(allowed, '');
  const settings = [
    `HostKey ${join(folder, 'host')}`,
    `AuthorizedKeysFile ${allowed}`,
    'AuthenticationMethods publickey',
    'PermitRootLogin prohibit-password',
    'UsePAM no',
    'PidFile none',
    // Of the temporary folder's permissions.
    'StrictModes no',
    'LogLevel VERBOSE',
  ];
  await writeFile(config, `${settings.join('\n')}\n`);
  const lines: string[] = [];
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    const child = spawn(sshd, ['-i', '-e', '-f', config], {
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      stdio: [socket, socket, 'pipe'],
    });
    child.stderr?.on('data', (chunk: Buffer) => lines.push(chunk.toString('utf8')));
    t.after(() => child.kill('SIGKILL'));
    // The child has it now.
    child.once('spawn', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return {
    port: (server.address() as AddressInfo).port,
    user: userInfo().username,
    hostKey,
    lines,
    allow: (publicKey) =>
      writeFile(allowed, `restrict,command="git-shell -c \\"$SSH_ORIGINAL_COMMAND\\"" ${publicKey}\n`),
  };
}
