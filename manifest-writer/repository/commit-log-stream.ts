import { trailerKeys } from '../../core/manifest-writer.ts';
import { changeArguments, toChange } from './commit-log.ts';
import type { MainlineCommit } from './manifest-repository.ts';

const pairEnd = '\x1f';
const valueStart = '\x1e';
const separators = 'separator=%x1f,key_value_separator=%x1e';
const fields = ['%H', '%P', '%an', '%ae', '%cn', '%ce', '%ct', '%s', '%b'].concat([
  `%(trailers:only,unfold,${separators})`,
]);
/** The raw changes follow the last field. */
const width = fields.length + 1;

/** `git log` arguments for `createLogParser`, oldest first; the range comes after them. */
export const streamedLogArguments: readonly string[] = [
  'log',
  '--reverse',
  ...changeArguments,
  `--format=%x00${fields.join('%x00')}%x00`,
];

/** A commit that says or changes more is no commit of a GitOps repository. */
const maxCommitChars = 64 * 1024 * 1024;

/** Reads the log as it comes, so that a long history never stands in memory. `end` gives the last commit. */
export function createLogParser(visit: (commit: MainlineCommit) => void) {
  const decoder = new TextDecoder();
  let rest = '';
  let parts: string[] = [];
  let started = false;

  function take(text: string): void {
    const pieces = (rest + text).split('\0');
    rest = pieces.pop() ?? '';
    for (const piece of pieces) {
      if (!started) {
        if (piece.trim() !== '') throw new Error('git log gave unexpected output');
        started = true;
        continue;
      }
      parts.push(piece);
      if (parts.length === width) flush();
    }
    if (rest.length > maxCommitChars)
      throw new Error('a commit of the GitOps repository is too large to read');
  }

  function flush(): void {
    visit(toCommit(parts));
    parts = [];
  }

  return {
    push: (chunk: Buffer) => take(decoder.decode(chunk, { stream: true })),
    end() {
      take(decoder.decode());
      if (!started && rest.trim() === '') return;
      parts.push(rest);
      if (parts.length !== width) throw new Error('git log ended too early');
      flush();
    },
  };
}

function toCommit(values: readonly string[]): MainlineCommit {
  const [commit = '', parents = '', authorName = '', authorEmail = '', name = '', email = ''] = values;
  const [time = '', subject = '', body = '', trailers = '', raw = ''] = values.slice(6);
  return {
    commit,
    parents: parents.split(' ').filter((one) => one !== ''),
    author: { name: authorName, email: authorEmail },
    committer: { name, email },
    committedAt: Number(time) * 1000,
    subject,
    body,
    trailers: toTrailers(trailers),
    changes: raw.split('\n').flatMap(toChange),
  };
}

const knownKeys = new Map<string, string>(trailerKeys.map((key) => [key.toLowerCase(), key]));

function toTrailers(text: string): Record<string, string[]> {
  const trailers: Record<string, string[]> = {};
  for (const pair of text.split(pairEnd)) {
    const at = pair.indexOf(valueStart);
    const key = at < 0 ? undefined : knownKeys.get(pair.slice(0, at).trim().toLowerCase());
    const value = pair.slice(at + 1).trim();
    if (key === undefined || value === '') continue;
    trailers[key] = [...(trailers[key] ?? []), value];
  }
  return trailers;
}
