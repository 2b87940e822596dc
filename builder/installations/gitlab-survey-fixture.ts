import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** GitLab's lists of projects, page by page, and its single projects; `faults.status` is answered to everything. */
export async function startProjectsApi() {
  const projects = new Map<number, object>();
  const byPath = new Map<string, object>();
  const faults = { status: 0 };
  function answerTo(url: URL): unknown {
    const one = /^\/api\/v4\/projects\/(\d+)$/.exec(url.pathname)?.[1];
    if (one !== undefined) return projects.get(Number(one));
    const named = /^\/api\/v4\/projects\/([^/]+)$/.exec(url.pathname)?.[1];
    if (named !== undefined) return byPath.get(decodeURIComponent(named));
    if (url.pathname !== '/api/v4/groups/acme/projects') return undefined;
    const size = Number(url.searchParams.get('per_page'));
    const start = (Number(url.searchParams.get('page')) - 1) * size;
    return [...projects.values()].slice(start, start + size);
  }
  const server = createServer((request, response) => {
    const answer = answerTo(new URL(request.url ?? '/', 'http://127.0.0.1'));
    const status = faults.status || (answer === undefined ? 404 : 200);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    ...{ projects, byPath, faults, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
