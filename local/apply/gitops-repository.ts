import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { CommitSha } from '../../core/names.ts';
import { git, gitEnvironment, gitOutput } from '../../runtime/git.ts';

/** Where the GitOps repository lies and which branch is what runs. */
export interface GitOpsLocation {
  gitopsPath: string;
  branch: string;
  /** Where the tenants' folders lie; `tenants` by default. */
  folder?: string | undefined;
  /** PATH, to find git. */
  path: string;
}

export interface TreeFile {
  path: string;
  /** Blob id. */
  blob: string;
  sizeBytes: number;
  /** A plain file, not a symbolic link or a submodule. */
  isFile: boolean;
}

/** Reads a bare repository on this machine; never writes. */
export interface GitOpsRepository {
  /** The branch's commit, or `undefined` if the branch doesn't exist (yet). Throws if the repository can't be read. */
  head(): Promise<string | undefined>;
  /** Everything below the folder at a commit; paths begin at the repository's root. */
  tenantFiles(commit: string): Promise<TreeFile[]>;
  /** Texts by blob id. */
  blobs(ids: readonly string[]): Promise<Map<string, string>>;
  /** Whether `head` is `commit` or comes after it; a commit that the repository doesn't know isn't contained. */
  contains(head: string, commit: string): Promise<boolean>;
}

const maxTreeBytes = 64 * 1024 * 1024;
const maxBatchBytes = 256 * 1024 * 1024;
const treeLine = /^(\d{6}) (\w+) ([0-9a-f]{40}) +(\d+|-)\t(.*)$/s;

/** Of the default environment. */
export const tenantsFolder = 'tenants';

export function openGitOpsRepository(location: GitOpsLocation): GitOpsRepository {
  const env = { ...gitEnvironment(location.path), GIT_DIR: location.gitopsPath };
  const ref = `refs/heads/${location.branch}`;
  const { folder = tenantsFolder } = location;

  return {
    async head() {
      // A loose ref answers without a process; packed refs and other ref formats are git's to read.
      const loose = await readFile(path.join(location.gitopsPath, ref), 'utf8').catch(() => '');
      const id = CommitSha.safeParse(loose.trim());
      if (id.success) return id.data;
      const result = await git({ args: ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`], env });
      if (result.exitCode === 0) return CommitSha.parse(result.stdout.toString('utf8').trim());
      if (result.exitCode === 1) return undefined;
      throw new TowlineError('internal', 'the GitOps repository cannot be read', {
        cause: new Error(result.stderr.trim()),
      });
    },
    async tenantFiles(commit) {
      const args = ['ls-tree', '-r', '-l', '-z', '--full-tree', commit, '--', `${folder}/`];
      const text = await gitOutput({ args, env, maxOutputBytes: maxTreeBytes });
      return text
        .split('\0')
        .map((line) => treeFile(line))
        .filter((file) => file !== undefined);
    },
    async blobs(ids) {
      if (ids.length === 0) return new Map();
      const result = await git({
        args: ['cat-file', '--batch'],
        env,
        input: `${ids.join('\n')}\n`,
        maxOutputBytes: maxBatchBytes,
      });
      if (result.exitCode !== 0) {
        throw new TowlineError('internal', 'git cat-file failed', { cause: new Error(result.stderr.trim()) });
      }
      return splitBatch(result.stdout);
    },
    async contains(head, commit) {
      if (head === commit) return true;
      if (!CommitSha.safeParse(commit).success) return false;
      const result = await git({ args: ['merge-base', '--is-ancestor', commit, head], env });
      return result.exitCode === 0;
    },
  };
}

function treeFile(line: string): TreeFile | undefined {
  const [, mode = '', type, blob = '', size, name = ''] = treeLine.exec(line) ?? [];
  if (type === undefined) return undefined;
  return { path: name, blob, sizeBytes: Number(size), isFile: type === 'blob' && mode.startsWith('100') };
}

/** `<id> <type> <size>\n<content>\n`, again and again; sizes are in bytes, so this works on bytes. */
function splitBatch(output: Buffer): Map<string, string> {
  const texts = new Map<string, string>();
  let at = 0;
  while (at < output.length) {
    const lineEnd = output.indexOf(10, at);
    if (lineEnd < 0) break;
    const [id = '', type, size] = output.toString('latin1', at, lineEnd).split(' ');
    at = lineEnd + 1;
    if (type !== 'blob') continue;
    const end = at + Number(size);
    texts.set(id, output.toString('utf8', at, end));
    at = end + 1;
  }
  return texts;
}
