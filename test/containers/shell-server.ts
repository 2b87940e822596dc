/**
 * A shell program that answers whatever is asked on port 8080 with this word of the shell (`$ANSWER`, `$(id -u)`, `v1`).
 * One listener takes every connection: one that is opened anew after each request would close some on the way.
 */
export function shellServer(word: string): string {
  const readRequest = 'while read -r line && [ "${#line}" -gt 1 ]; do :; done';
  const answer = `printf "HTTP/1.0 200 OK\\r\\n\\r\\n%s" "${word}"`;
  return `nc -ll -p 8080 -e sh -c '${readRequest}; ${answer}'`;
}
