import { git } from '../../runtime/git.ts';
import { type SourceGit, sourceGitCall } from './source-git.ts';

export interface RemoteHeads {
  /** What the remote's HEAD names, if it says so. */
  defaultBranch: string | undefined;
  branches: { branch: string; head: string }[];
}

/** Of one repository; more are somebody's mistake. */
const maxBranches = 5000;
const maxOutputBytes = 4_000_000;

/** Every branch of a remote repository with its commit. Throws if it can't be asked. */
export async function remoteHeads(source: SourceGit, signal: AbortSignal): Promise<RemoteHeads> {
  const args = ['ls-remote', '--quiet', '--symref', '--', source.location.url, 'HEAD', 'refs/heads/*'];
  const result = await git({ ...sourceGitCall(source, args), cwd: '/', signal, maxOutputBytes });
  if (result.exitCode !== 0) throw new Error(`git ls-remote: ${result.stderr.trim()}`);
  const heads: RemoteHeads = { defaultBranch: undefined, branches: [] };
  for (const line of result.stdout.toString('utf8').split('\n')) readLine(line, heads);
  return heads;
}

function readLine(line: string, heads: RemoteHeads): void {
  const [first = '', name] = line.split('\t');
  const [, target] = /^ref: refs\/heads\/(.+)$/.exec(first) ?? [];
  if (target !== undefined && name === 'HEAD') heads.defaultBranch = target;
  const [, branch] = /^refs\/heads\/(.+)$/.exec(name ?? '') ?? [];
  if (branch === undefined || !/^[0-9a-f]{40}$/.test(first)) return;
  if (heads.branches.length < maxBranches) heads.branches.push({ branch, head: first });
}
