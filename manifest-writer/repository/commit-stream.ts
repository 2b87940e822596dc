import type { NewCommit, Signature } from './manifest-repository.ts';

/**
 * Commits as `git fast-import` reads them: lengths go before contents, so no text can be taken for a command.
 * Asks for the new commits' ids, one a line. Ends the import, or only makes the commits readable for other gits.
 */
export function commitStream(
  ref: string,
  parent: string | null,
  commits: readonly NewCommit[],
  end: 'done' | 'checkpoint' = 'done',
): Buffer {
  const parts: Buffer[] = [];
  const line = (text: string) => parts.push(Buffer.from(`${text}\n`));
  const data = (text: string) => {
    const bytes = Buffer.from(text, 'utf8');
    parts.push(Buffer.from(`data ${bytes.length}\n`), bytes, Buffer.from('\n'));
  };
  for (const [index, commit] of commits.entries()) {
    line(`commit ${ref}`);
    line(`mark :${index + 1}`);
    line(`author ${ident(commit.author, commit.time)}`);
    line(`committer ${ident(commit.committer, commit.time)}`);
    data(commit.message);
    if (index > 0) line(`from :${index}`);
    else if (parent !== null) line(`from ${parent}`);
    for (const change of commit.changes) {
      assertPlainPath(change.path);
      if (change.content === null) line(`D ${change.path}`);
      else {
        line(`M 100644 inline ${change.path}`);
        data(change.content);
      }
    }
    line('');
  }
  if (end === 'checkpoint') line('checkpoint');
  for (const index of commits.keys()) line(`get-mark :${index + 1}`);
  if (end === 'done') line('done');
  return Buffer.concat(parts);
}

function ident(signature: Signature, timeMs: number): string {
  return `${signature.name} <${signature.email}> ${Math.floor(timeMs / 1000)} +0000`;
}

/** The last line of defence: callers build paths from checked names. */
function assertPlainPath(path: string): void {
  const plain = /^[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)*$/.test(path);
  if (!plain || path.split('/').some((part) => part === '.' || part === '..' || part === '.git')) {
    throw new Error(`not a plain path: ${JSON.stringify(path)}`);
  }
}
