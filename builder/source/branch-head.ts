import { TowlineError } from '../../core/errors.ts';
import { git } from '../../runtime/git.ts';
import { type SourceGit, sourceGitCall } from './source-git.ts';

/** The commit a ref points to now, or `undefined` if there is no such ref. Throws `remote_unavailable`. */
export async function refHead(
  source: SourceGit,
  ref: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const call = sourceGitCall(source, ['ls-remote', '--quiet', '--', source.location.url, ref]);
  const result = await git({ ...call, cwd: '/', signal });
  if (result.exitCode !== 0) {
    throw new TowlineError('remote_unavailable', 'the source repository cannot be reached', {
      cause: new Error(`git ls-remote: ${result.timedOut ? 'timed out' : result.stderr.trim()}`),
    });
  }
  // git matches the ends of ref names too: only the exact one counts.
  for (const line of result.stdout.toString('utf8').split('\n')) {
    const [commit, name] = line.split('\t');
    if (name === ref) return commit;
  }
  return undefined;
}
