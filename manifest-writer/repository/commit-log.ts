import { trailerKeys } from '../../core/manifest-writer.ts';
import type { LoggedChange, LoggedCommit } from './manifest-repository.ts';

const many = '\x1f';

/** One NUL-ended field each; NUL is the one byte that no commit message can hold. */
const fields = ['%H', '%an', '%ae', '%cn', '%ce', '%ct', '%s', '%b', ...trailerKeys.map(trailerField)];

function trailerField(key: string): string {
  return `%(trailers:key=${key},valueonly,unfold,separator=%x1f)`;
}

/** Of `git log`: what each commit of the branch changed, whatever the machine's git is set to. */
export const changeArguments: readonly string[] = [
  '--first-parent',
  '--diff-merges=first-parent',
  '--raw',
  '--no-abbrev',
  '--no-renames',
  '--no-color',
  '--no-show-signature',
  '--encoding=UTF-8',
];

/** `git log` arguments whose output `parseLog` reads. */
export const logArguments: readonly string[] = [
  'log',
  ...changeArguments,
  `--format=%x00${fields.join('%x00')}%x00`,
];

const rawLine = /^:(\d{6}) (\d{6}) ([0-9a-f]+) ([0-9a-f]+) [A-Z]\d*\t(.+)$/;

/** Throws on output that isn't what `logArguments` asks for. */
export function parseLog(output: string): LoggedCommit[] {
  if (output.trim() === '') return [];
  const parts = output.split('\0');
  const width = fields.length + 1;
  if (parts[0] !== '' || (parts.length - 1) % width !== 0) throw new Error('git log gave unexpected output');
  const commits: LoggedCommit[] = [];
  for (let start = 1; start < parts.length; start += width) {
    commits.push(toCommit(parts.slice(start, start + width)));
  }
  return commits;
}

function toCommit(values: string[]): LoggedCommit {
  const [commit = '', authorName = '', authorEmail = '', name = '', email = '', time = '', subject = ''] =
    values;
  const trailers: Record<string, string[]> = {};
  for (const [index, key] of trailerKeys.entries()) {
    const text = values[8 + index] ?? '';
    if (text !== '') trailers[key] = text.split(many).map((value) => value.trim());
  }
  return {
    commit,
    author: { name: authorName, email: authorEmail },
    committer: { name, email },
    committedAt: Number(time) * 1000,
    subject,
    body: values[7] ?? '',
    trailers,
    changes: (values[8 + trailerKeys.length] ?? '').split('\n').flatMap(toChange),
  };
}

/** One line of git's `--raw` output; nothing if it isn't one. */
export function toChange(line: string): LoggedChange[] {
  const match = rawLine.exec(line);
  if (!match) return [];
  const [, modeBefore = '', modeAfter = '', before = '', after = '', path = ''] = match;
  return [{ path, before: fileId(modeBefore, before), after: fileId(modeAfter, after) }];
}

/** Only regular files count: a link or a submodule in a function's place is no manifest. */
function fileId(mode: string, id: string): string | null {
  return mode.startsWith('100') ? id : null;
}
