import { trailerKeys } from '../../core/manifest-writer.ts';
import type { LoggedCommit, NewCommit } from '../repository/manifest-repository.ts';

/**
 * A commit of our own as `git log` would show it. Only for messages of `commitMessage`: a subject, a blank line, and
 * trailers of one line each. The files it changes are left out.
 */
export function loggedCommit(id: string, { message, author, committer, time }: NewCommit): LoggedCommit {
  const end = message.indexOf('\n\n');
  const body = end < 0 ? '' : message.slice(end + 2);
  const trailers: Record<string, string[]> = {};
  for (const line of body.split('\n')) {
    const key = trailerKeys.find((one) => line.startsWith(`${one}: `));
    if (key !== undefined) trailers[key] = [...(trailers[key] ?? []), line.slice(key.length + 2).trim()];
  }
  return {
    commit: id,
    author,
    committer,
    committedAt: Math.floor(time / 1000) * 1000,
    subject: end < 0 ? message.trim() : message.slice(0, end),
    body,
    trailers,
    changes: [],
  };
}
