import { type GitCall, gitEnvironment } from '../../runtime/git.ts';
import type { SourceLocation } from './source-access.ts';

/** How the source repository of one push is reached. */
export interface SourceGit {
  location: SourceLocation;
  /** `PATH` of the git processes. */
  path: string;
}

/**
 * What a repository brings along must not run or reach anything: no hooks, no submodules, no filters (LFS pointers stay
 * pointers), only transports that are what they seem; objects are checked as they arrive.
 */
const hardening = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.protectHFS=true',
  'core.protectNTFS=true',
  'fetch.fsckObjects=true',
  'submodule.recurse=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'credential.helper=',
  'advice.detachedHead=false',
];

/** A git call that may talk to the source. Credentials are in the location's environment, never in arguments. */
export function sourceGitCall(source: SourceGit, args: readonly string[]): Pick<GitCall, 'args' | 'env'> {
  return {
    args: [...hardening.flatMap((setting) => ['-c', setting]), ...args],
    env: gitEnvironment(source.path, {
      GIT_ALLOW_PROTOCOL: 'file:http:https:ssh',
      GIT_LFS_SKIP_SMUDGE: '1',
      ...source.location.env,
    }),
  };
}
