import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { gitConfigEnvironment } from '../../runtime/git.ts';
import type { RepositoryUrl } from './repository-url.ts';

/** What git needs for one host, as it stands in memory. */
export interface HostCredentials {
  /** For http and https. */
  authorization?: string | undefined;
  /** For https: certificates that are trusted beside none other. */
  caPath?: string | undefined;
  /** For ssh. */
  identityPath?: string | undefined;
  knownHostsPath?: string | undefined;
}

const maxBytes = 64 * 1024;
const sshConnectSeconds = 15;

/** The name of a host's folder: `git.example.org`, or `git.example.org_8443` with a port. */
export function credentialsFolderName({ host }: RepositoryUrl): string {
  return host.replaceAll(/[[\]]/g, '').replaceAll(':', '_');
}

async function readSecret(path: string): Promise<string | undefined> {
  let text: string;
  try {
    if ((await stat(path)).size > maxBytes) throw unreadable(path);
    text = (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error instanceof TowlineError ? error : unreadable(path, error);
  }
  // A line break would begin another header.
  if (text === '' || /\p{Cc}/u.test(text)) throw unreadable(path);
  return text;
}

function unreadable(path: string, cause?: unknown): TowlineError {
  return new TowlineError('remote_unavailable', `the credentials in ${path} cannot be used`, { cause });
}

async function existing(path: string): Promise<string | undefined> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  return isThere ? path : undefined;
}

/**
 * Files named as in Flux's Git secrets: `username` and `password`, or `bearerToken`, `ca.crt`, `identity` and
 * `known_hosts`. They are read at each call, so that a mounted secret may change.
 */
export async function readHostCredentials(dir: string): Promise<HostCredentials> {
  const [username, password, bearer] = await Promise.all(
    ['username', 'password', 'bearerToken'].map((name) => readSecret(join(dir, name))),
  );
  const [caPath, identityPath, knownHostsPath] = await Promise.all(
    ['ca.crt', 'identity', 'known_hosts'].map((name) => existing(join(dir, name))),
  );
  let authorization: string | undefined;
  if (bearer !== undefined) authorization = `Bearer ${bearer}`;
  else if (password !== undefined) authorization = basicAuthorization(username ?? 'git', password);
  return { authorization, caPath, identityPath, knownHostsPath };
}

export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

/** Whether a secret may go there in the clear. */
function isLoopback(host: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/.test(host);
}

/**
 * For one call of git: the header is bound to this host, and a redirect, which would lead it elsewhere, isn't followed.
 * Throws `config_invalid` where a secret would travel in the clear.
 */
export function hostEnvironment(base: RepositoryUrl, credentials: HostCredentials): Record<string, string> {
  const { authorization, caPath } = credentials;
  if (base.protocol === 'ssh:') return sshEnvironment(credentials);
  const origin = `${base.protocol}//${base.host}/`;
  if (authorization !== undefined && base.protocol === 'http:' && !isLoopback(base.host)) {
    throw new TowlineError('config_invalid', `credentials for ${base.host} are only sent over https`);
  }
  return gitConfigEnvironment({
    'http.followRedirects': 'false',
    ...(authorization === undefined
      ? {}
      : { [`http.${origin}.extraHeader`]: `Authorization: ${authorization}` }),
    ...(caPath === undefined ? {} : { [`http.${origin}.sslCAInfo`]: caPath }),
  });
}

/** One key, one list of hosts, no questions, nothing from the user's own configuration. */
function sshEnvironment({ identityPath, knownHostsPath }: HostCredentials): Record<string, string> {
  if (identityPath === undefined || knownHostsPath === undefined) {
    throw new TowlineError('config_invalid', 'fetching over ssh needs the files identity and known_hosts');
  }
  const options = [
    `IdentityFile=${sshPath(identityPath)}`,
    `UserKnownHostsFile=${sshPath(knownHostsPath)}`,
    ...['BatchMode=yes', 'IdentitiesOnly=yes', 'IdentityAgent=none', 'StrictHostKeyChecking=yes'],
    ...['GlobalKnownHostsFile=none', `ConnectTimeout=${sshConnectSeconds}`, 'ServerAliveInterval=15'],
  ];
  const words = ['ssh', '-F', 'none', ...options.flatMap((option) => ['-o', option])];
  return { GIT_SSH_COMMAND: words.map(shellWord).join(' '), GIT_SSH_VARIANT: 'ssh' };
}

/** ssh splits this value at spaces and expands `%`. */
function sshPath(path: string): string {
  return `"${path.replaceAll('%', '%%')}"`;
}

/** Git hands the command to a shell. */
function shellWord(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
