import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TowlineError } from '../core/errors.ts';
import type { ConfigOf } from '../runtime/config.ts';
import { readSecretFile } from '../runtime/program/secret-file.ts';
import type { gitOpsSettings } from './config.ts';
import { githubAppCredentials } from './repository/github-app-credentials.ts';
import type { CredentialsProvider, RemoteAccessConfig } from './repository/remote-access.ts';

type GitOpsConfig = ConfigOf<typeof gitOpsSettings>;

/** One way, given whole, or none. Throws `config_invalid`. */
export function remoteAccessOf(config: GitOpsConfig): RemoteAccessConfig {
  const folder = folderAccess(config);
  const app = appCredentials(config);
  const ssh = sshFiles(config) ?? folder.ssh;
  const token = tokenCredentials(config) ?? folder.credentials;
  const ways = [app, ssh, token].filter((way) => way !== undefined);
  if (ways.length > 1) {
    throw new TowlineError(
      'config_invalid',
      'the GitOps repository is reached in one way: a token, an App or ssh',
    );
  }
  return { credentials: app ?? token, ssh };
}

/** A mounted Secret as Flux's are: what is in it says which way. */
function folderAccess({ gitOpsCredentials: dir }: GitOpsConfig): RemoteAccessConfig {
  if (dir === undefined) return {};
  const file = (name: string) => join(dir, name);
  const read = (name: string) => readSecretFile(file(name), 'TOWLINE_GITOPS_CREDENTIALS');
  if (existsSync(file('identity'))) {
    read('known_hosts');
    return { ssh: { keyPath: file('identity'), knownHostsPath: file('known_hosts') } };
  }
  const credentials = () => ({ username: read('username'), password: read('password') });
  credentials();
  return { credentials: async () => credentials() };
}

/** The file is read for each call, so that a mounted secret may change. */
function tokenCredentials({
  gitOpsTokenFile: file,
  gitOpsUsername: username,
}: GitOpsConfig): CredentialsProvider | undefined {
  if (file === undefined) return undefined;
  const password = () => readSecretFile(file, 'TOWLINE_GITOPS_TOKEN_FILE');
  password();
  return async () => ({ username, password: password() });
}

function appCredentials(config: GitOpsConfig): CredentialsProvider | undefined {
  const { gitOpsAppId: appId, gitOpsAppInstallation: installationId, gitOpsAppKeyFile: keyFile } = config;
  if (appId === undefined && installationId === undefined && keyFile === undefined) return undefined;
  if (appId === undefined || installationId === undefined || keyFile === undefined) {
    throw incomplete('TOWLINE_GITOPS_APP_ID, _APP_INSTALLATION and _APP_KEY_FILE');
  }
  const privateKey = readSecretFile(keyFile, 'TOWLINE_GITOPS_APP_KEY_FILE');
  return githubAppCredentials({ appId, installationId, privateKey, apiUrl: config.gitOpsAppApi });
}

function sshFiles(config: GitOpsConfig): RemoteAccessConfig['ssh'] {
  const { gitOpsSshKeyFile: keyPath, gitOpsKnownHostsFile: knownHostsPath } = config;
  if (keyPath === undefined && knownHostsPath === undefined) return undefined;
  if (keyPath === undefined || knownHostsPath === undefined) {
    throw incomplete('TOWLINE_GITOPS_SSH_KEY_FILE and TOWLINE_GITOPS_KNOWN_HOSTS_FILE');
  }
  return { keyPath, knownHostsPath };
}

function incomplete(names: string): TowlineError {
  return new TowlineError('config_invalid', `${names} go together`);
}
