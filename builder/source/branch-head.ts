import { TowlineError } from '../../core/errors.ts';
import { git } from '../../runtime/git.ts';
import { type SourceGit, sourceGitCall } from './source-git.ts';

/** The commit a ref points to now, or `undefined` if there is no such ref. Throws `remote_unavailable`. */
export async function refHead(
  source: SourceGit,
  ref: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  // git matches the ends of ref names too: only the exact one counts.
  return (await remoteRefs(source, [ref], signal)).get(ref);
}

/** The commit that a tag stands for, through its own object if it is annotated. Throws `remote_unavailable`. */
export async function tagCommit(
  source: SourceGit,
  ref: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const peeled = `${ref}^{}`;
  const refs = await remoteRefs(source, [ref, peeled], signal);
  return refs.get(peeled) ?? refs.get(ref);
}

async function remoteRefs(
  source: SourceGit,
  refs: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const call = sourceGitCall(source, ['ls-remote', '--quiet', '--', source.location.url, ...refs]);
  const result = await git({ ...call, cwd: '/', signal });
  if (result.exitCode !== 0) {
    throw new TowlineError('remote_unavailable', 'the source repository cannot be reached', {
      cause: new Error(`git ls-remote: ${result.timedOut ? 'timed out' : result.stderr.trim()}`),
    });
  }
  const found = new Map<string, string>();
  for (const line of result.stdout.toString('utf8').split('\n')) {
    const [commit, name] = line.split('\t');
    if (commit && name) found.set(name, commit);
  }
  return found;
}
