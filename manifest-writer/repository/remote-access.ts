import { isAbsolute } from 'node:path';
import { TowlineError } from '../../core/errors.ts';

export interface GitCredentials {
  username: string;
  password: string;
}

/**
 * Who the writer is for an HTTPS remote; asked before each fetch and push. The provider keeps what it has until it
 * expires. `rejected`: what it gave last was refused, so it must not give the same again if it can get another.
 */
export type CredentialsProvider = (asked: {
  rejected: boolean;
  signal: AbortSignal;
}) => Promise<GitCredentials>;

export interface RemoteAccessConfig {
  /** For HTTPS remotes. */
  credentials?: CredentialsProvider | undefined;
  /** For SSH remotes: files that the writer may read. The key has no passphrase. */
  ssh?: { keyPath: string; knownHostsPath: string } | undefined;
  /** `http://proxy:3128`, for HTTP and HTTPS remotes. May hold a user and a password. */
  proxy?: string | undefined;
}

/** What a call to the remote needs beside the environment of every git: never in arguments, never on disk. */
export interface RemoteAccess {
  settings: Record<string, string>;
  variables(rejected: boolean, signal: AbortSignal): Promise<Record<string, string>>;
  /** The same credentials as an HTTP header. */
  authorization(rejected: boolean, signal: AbortSignal): Promise<string | undefined>;
  /** Whether other credentials may be had when the remote refuses these. */
  renewable: boolean;
  /** Whether the way there is not a direct one. */
  proxied: boolean;
}

/**
 * Git runs a credential helper through the shell. This one is the same text for everybody and prints what stands in the
 * environment of the one call, which only the same user can look into.
 */
const helper =
  '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$TOWLINE_GIT_USERNAME" "$TOWLINE_GIT_PASSWORD"; }; f';

const sshConnectSeconds = 15;

export function createRemoteAccess(remoteUrl: string, config: RemoteAccessConfig): RemoteAccess {
  assertNoCredentials(remoteUrl);
  const { credentials, ssh, proxy } = config;
  const settings: Record<string, string> = {
    // Whatever git was built with: no other helper, no store, no question.
    'credential.helper': '',
    // Another host must not be sent there with this one's credentials.
    'http.followRedirects': 'false',
    ...(proxy === undefined ? {} : { 'http.proxy': proxy }),
  };
  if (credentials) {
    const { protocol, origin } = httpUrl(remoteUrl);
    if (protocol !== 'https:' && !isLoopback(origin)) {
      const message = 'credentials for the GitOps repository are only sent over https';
      throw new TowlineError('config_invalid', message);
    }
    settings[`credential.${origin}.helper`] = helper;
  }
  const fixed = ssh ? { GIT_SSH_COMMAND: sshCommand(ssh), GIT_SSH_VARIANT: 'ssh' } : {};

  async function asked(rejected: boolean, signal: AbortSignal): Promise<GitCredentials | undefined> {
    const given = await credentials?.({ rejected, signal });
    // A line break would start another answer of the credential protocol.
    if (given && /[\r\n\0]/.test(given.username + given.password)) {
      throw new TowlineError('config_invalid', 'credentials for the GitOps repository are one line each');
    }
    return given;
  }

  return {
    settings,
    renewable: credentials !== undefined,
    proxied: proxy !== undefined,
    async variables(rejected, signal) {
      const given = await asked(rejected, signal);
      if (!given) return fixed;
      return { ...fixed, TOWLINE_GIT_USERNAME: given.username, TOWLINE_GIT_PASSWORD: given.password };
    },
    async authorization(rejected, signal) {
      const given = await asked(rejected, signal);
      return given && `Basic ${Buffer.from(`${given.username}:${given.password}`).toString('base64')}`;
    },
  };
}

/** They would stand in arguments, in git's own messages and in its configuration file. */
function assertNoCredentials(remoteUrl: string): void {
  const user = /^https?:\/\/[^/?#]*@/i.test(remoteUrl) || /^ssh:\/\/[^/@]*:[^/@]*@/i.test(remoteUrl);
  if (!user) return;
  throw new TowlineError('config_invalid', 'the URL of the GitOps repository must not hold credentials', {
    hint: 'give them as `credentials`',
  });
}

function httpUrl(remoteUrl: string): URL {
  const url = URL.canParse(remoteUrl) ? new URL(remoteUrl) : undefined;
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url;
  throw new TowlineError('config_invalid', 'credentials are for a GitOps repository with an https URL');
}

function isLoopback(origin: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(origin).hostname);
}

/** One key, one list of hosts, no questions, nothing from the user's own configuration. */
function sshCommand({ keyPath, knownHostsPath }: { keyPath: string; knownHostsPath: string }): string {
  const words = ['ssh', '-F', 'none', '-o', `IdentityFile=${sshPath(keyPath)}`].concat(
    ['BatchMode=yes', 'IdentitiesOnly=yes', 'IdentityAgent=none', 'StrictHostKeyChecking=yes'].flatMap(
      (one) => ['-o', one],
    ),
    ['-o', `UserKnownHostsFile=${sshPath(knownHostsPath)}`, '-o', 'GlobalKnownHostsFile=none'],
    [
      '-o',
      `ConnectTimeout=${sshConnectSeconds}`,
      '-o',
      'ServerAliveInterval=15',
      '-o',
      'ServerAliveCountMax=2',
    ],
  );
  return words.map(shellWord).join(' ');
}

/** ssh splits this value at spaces and expands `%`. */
function sshPath(path: string): string {
  if (isAbsolute(path) && !/["\\\p{Cc}]/u.test(path)) return `"${path.replaceAll('%', '%%')}"`;
  throw new TowlineError(
    'config_invalid',
    'the paths of the SSH key and of the known hosts are absolute and plain',
  );
}

/** Git hands the command to a shell. */
function shellWord(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
