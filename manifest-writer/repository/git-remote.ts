import { dirname, join } from 'node:path';
import { git } from '../../runtime/git.ts';
import { withoutCredentials } from '../../runtime/logger.ts';
import type { RunResult } from '../../runtime/run-process.ts';
import { type CloneConfig, cloneEnvironment, remoteName, remoteRef } from './clone-environment.ts';
import { BrokenPushError, DamagedCopyError, type PushResult } from './manifest-repository.ts';
import { createHttpPusher } from './push-http.ts';
import type { RemoteAccess } from './remote-access.ts';
import {
  isCredentialRefusal,
  isNoRoom,
  isUnknownHost,
  type PushAnswer,
  readPushAnswer,
} from './remote-answers.ts';
import { noRoom, unavailable } from './remote-faults.ts';

export interface GitRemoteOptions extends CloneConfig {
  clonePath: string;
  /** Milliseconds for one fetch or push. */
  remoteTimeoutMs: number;
  access: RemoteAccess;
  signal: AbortSignal;
}

/** The calls to the remote; only one may run at a time. */
export interface GitRemote extends Disposable {
  /** Brings the branch into `remoteRef` of the repository that an environment names. */
  fetch(env: Record<string, string>): Promise<void>;
  push(commit: string, expected: string): Promise<PushResult>;
}

export function createGitRemote(options: GitRemoteOptions): GitRemote {
  const { access, signal, clonePath, remoteTimeoutMs, remoteUrl } = options;
  const ref = `refs/heads/${options.branch}`;
  const env = cloneEnvironment(options, access, clonePath);
  const pusher = createHttpPusher({ remoteUrl, ref, env, access, signal, timeoutMs: remoteTimeoutMs });

  /** A call to the remote; credentials that are refused are asked for anew, once. */
  async function remote(args: string[], base: Record<string, string>, cwd?: string): Promise<RunResult> {
    const call = async (rejected: boolean) => {
      const variables = await access.variables(rejected, signal);
      const where = cwd === undefined ? {} : { cwd };
      return await git({
        args,
        env: { ...base, ...variables },
        ...where,
        signal,
        timeoutMs: remoteTimeoutMs,
      });
    };
    const result = await call(false);
    return access.renewable && isCredentialRefusal(result) ? await call(true) : result;
  }

  /** Why a call failed, if that is not the fault of the local copy. The remote alone is asked to tell. */
  async function whyAway(failed: RunResult, cause: Error): Promise<Error | undefined> {
    if (failed.timedOut) return unavailable('did not answer in time', cause);
    if (isNoRoom(failed)) return noRoom(cause);
    const elsewhere = cloneEnvironment(options, access, join(dirname(clonePath), 'no-such-repository'));
    const args = ['ls-remote', '--exit-code', '--end-of-options', remoteUrl, ref];
    const asked = await remote(args, elsewhere, '/');
    if (asked.exitCode === 0) return undefined;
    if (asked.exitCode === 2) return unavailable(`has no branch "${options.branch}"`, cause);
    if (isCredentialRefusal(asked)) return unavailable("does not accept the writer's credentials", cause);
    if (isUnknownHost(asked)) return unavailable('is on a host whose SSH key is not a known one', cause);
    return unavailable('cannot be reached', cause);
  }

  /** Without a verdict the remote may or may not have moved; only a fetch can tell. */
  async function whyPushFailed(failed: RunResult, commit: string, expected: string): Promise<Error> {
    const cause = asCause(failed);
    const away = await whyAway(failed, cause);
    if (away) return away;
    const args = ['rev-list', '--objects', '--quiet', '--end-of-options', commit, `^${expected}`];
    const whole = await git({ args, env, signal });
    if (whole.exitCode === 0) return new BrokenPushError({ cause });
    return new DamagedCopyError('the commits to be pushed cannot be read', { cause });
  }

  async function pushByGit(commit: string, expected: string): Promise<PushAnswer> {
    const args = ['push', '--porcelain', '--no-verify', `--force-with-lease=${ref}:${expected}`];
    const result = await remote([...args, remoteName, `${commit}:${ref}`], env);
    const answer = readPushAnswer(result.exitCode, result.stdout.toString('utf8'), result.stderr);
    if (answer === undefined) throw await whyPushFailed(result, commit, expected);
    return answer;
  }

  async function answerTo(commit: string, expected: string): Promise<PushAnswer> {
    const result = (await pusher?.push(commit, expected)) ?? { type: 'unsent' };
    if (result.type === 'unsent') return await pushByGit(commit, expected);
    if (result.type === 'broken') throw await whyPushFailed(result.how, commit, expected);
    return result.answer;
  }

  return {
    async fetch(target) {
      const args = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance'];
      const what = ['--end-of-options', remoteUrl, `+${ref}:${remoteRef}`];
      const result = await remote([...args, ...what], target);
      if (result.exitCode === 0) return;
      const cause = asCause(result);
      throw (
        (await whyAway(result, cause)) ??
        new DamagedCopyError('git failed although the remote answers', { cause })
      );
    },
    async push(commit, expected) {
      const answer = await answerTo(commit, expected);
      if (answer.type === 'fault') throw unavailable(`cannot take the push now: ${answer.message}`);
      return answer;
    },
    [Symbol.dispose]() {
      pusher?.[Symbol.dispose]();
    },
  };
}

function asCause(failed: RunResult): Error {
  const reason = failed.timedOut ? 'timed out' : failed.stderr.trim().slice(-500);
  return new Error(`git: ${withoutCredentials(reason)}`);
}
