import { gitConfigEnvironment, gitEnvironment } from '../../runtime/git.ts';
import type { RemoteAccess } from './remote-access.ts';

/** The remote's head as last fetched or pushed; it keeps its objects alive. */
export const remoteRef = 'refs/towline/remote';
export const remoteName = 'gitops';
/** Bytes of a push that are one request and are held in memory. */
export const maxRequestBytes = 32 * 1024 * 1024;

export interface CloneConfig {
  /** A path or a URL without credentials. */
  remoteUrl: string;
  branch: string;
  /** The PATH on which git is found. */
  searchPath: string;
}

/** For every git that works on the writer's clone. */
export function cloneEnvironment(
  config: CloneConfig,
  access: RemoteAccess,
  gitDir: string,
): Record<string, string> {
  const settings = gitConfigEnvironment({
    ...access.settings,
    'gc.auto': '2000',
    'gc.autoDetach': 'false',
    'core.logAllRefUpdates': 'false',
    // A push is a few small objects: starting threads costs more than they save.
    'pack.threads': '1',
    // By its name, so that a push moves `remoteRef` too.
    [`remote.${remoteName}.url`]: config.remoteUrl,
    [`remote.${remoteName}.fetch`]: `+refs/heads/${config.branch}:${remoteRef}`,
    // A pack for each batch: pushing from it is faster than from loose objects, and `maintain` joins them.
    'fastimport.unpackLimit': '1',
    // The clone can be made anew at any time: what must not be lost is on the remote and in the intent log.
    'core.fsync': 'none',
    // One request for a whole batch.
    'http.postBuffer': String(maxRequestBytes),
  });
  return gitEnvironment(config.searchPath, {
    ...settings,
    GIT_DIR: gitDir,
    GIT_ALLOW_PROTOCOL: 'file:http:https:ssh',
  });
}
