import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { TowlineError } from '../../core/errors.ts';
import { gitEnvironment, git as runGit } from '../../runtime/git.ts';

/** One file of an installation; `undefined` where there is none. */
export interface FileVersions {
  /** What lies in the repository. */
  there: string | undefined;
  /** What was made the last time. Without it, nobody can tell what an operator changed. */
  before: string | undefined;
  /** What is made now. */
  made: string;
}

export type Settled =
  | { outcome: 'same' | 'new' | 'changed' | 'merged' | 'kept'; text: string }
  /** An operator and the new version changed the same lines. */
  | { outcome: 'conflict' };

/** What is to lie in the repository: what is made now, with what an operator changed in what was made before. */
export async function settleFile(
  path: string,
  { there, before, made }: FileVersions,
  searchPath: string,
): Promise<Settled> {
  if (there === undefined) return { outcome: 'new', text: made };
  if (there === made) return { outcome: 'same', text: made };
  if (before === undefined || there === before) return { outcome: 'changed', text: made };
  if (made === before) return { outcome: 'kept', text: there };
  const text = await merge({ there, before, made }, searchPath);
  if (text === undefined || !isReadable(path, text)) return { outcome: 'conflict' };
  return { outcome: text === there ? 'kept' : 'merged', text };
}

async function merge(versions: Record<'there' | 'before' | 'made', string>, searchPath: string) {
  const cwd = await mkdtemp(join(tmpdir(), 'towline-merge-'));
  try {
    for (const [name, text] of Object.entries(versions)) await writeFile(join(cwd, name), text);
    const args = ['merge-file', '--stdout', 'there', 'before', 'made'];
    const { exitCode, stdout, stderr } = await runGit({ args, cwd, env: gitEnvironment(searchPath) });
    if (exitCode === 0) return stdout.toString('utf8');
    // Up to 127 it is the number of conflicts.
    if (exitCode !== null && exitCode > 0 && exitCode < 128) return undefined;
    throw new TowlineError('internal', `git merge-file failed: ${stderr.trim()}`);
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}

/** Lines that fit together can still be one key twice. */
function isReadable(path: string, text: string): boolean {
  if (!path.endsWith('.yaml')) return true;
  return [...parseAllDocuments(text)].every(({ errors }) => errors.length === 0);
}
