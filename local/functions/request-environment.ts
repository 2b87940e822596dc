import type { IncomingMessage } from 'node:http';

/** Names that mean one thing only as a variable; an underscore could pose as a hyphen of a header the router sets. */
const headerName = /^[A-Za-z0-9-]+$/;

/** `Http_Proxy` would be read as a proxy setting by programs that ignore case ("httpoxy"). */
const neverPassed: ReadonlySet<string> = new Set(['proxy']);

/** A request as the fork-per-request watchdog tells it to a process: `Http_Method`, `Http_Path`, `Http_Content_Type`… */
export function requestEnvironment(request: IncomingMessage): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || !headerName.test(name) || neverPassed.has(name)) continue;
    environment[`Http_${canonical(name)}`] = Array.isArray(value) ? value.join(', ') : value;
  }
  const url = request.url ?? '/';
  const question = url.indexOf('?');
  environment['Http_Method'] = request.method ?? 'GET';
  environment['Http_Path'] = question < 0 ? url : url.slice(0, question);
  environment['Http_Query'] = question < 0 ? '' : url.slice(question + 1);
  return environment;
}

function canonical(name: string): string {
  return name
    .split('-')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('_');
}
