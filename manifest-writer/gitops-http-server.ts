import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { killGroup } from '../runtime/run-process.ts';

export interface GitHttpServerOptions {
  /** The folder that holds the repositories. */
  root: string;
  /** The PATH on which git is found. */
  path: string;
  /** Whether a Basic user and password are right; without it everybody may push. */
  allows?: ((username: string, password: string) => boolean) | undefined;
  port?: number;
  /** Its gits belong to the process group of the server's own process, and can be killed with it. */
  oneGroup?: boolean;
}

/** For tests and benchmarks: git's own smart HTTP server, which can be made to fail in the ways that servers do. */
export interface GitHttpServer extends AsyncDisposable {
  url: string;
  port: number;
  requests: { method: string; path: string; status: number; authorization: string | undefined }[];
  /** Accepts requests and never answers. */
  hangs: boolean;
  /** Carries out the next push and breaks the connection instead of answering. */
  dropsNextAnswer: boolean;
  /** As a machine does that loses its power. */
  kill(): Promise<void>;
}

export async function startGitHttpServer(options: GitHttpServerOptions): Promise<GitHttpServer> {
  const children = new Set<ChildProcess>();
  const http = createServer((request, response) => {
    const path = request.url ?? '';
    const { authorization } = request.headers;
    response.on('finish', () => {
      server.requests.push({
        method: request.method ?? '',
        path,
        status: response.statusCode,
        authorization,
      });
    });
    if (server.hangs) return;
    if (options.allows && !isAllowed(options.allows, authorization)) {
      request.resume();
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end('who are you?');
      return;
    }
    const drops = server.dropsNextAnswer && request.method === 'POST' && path.endsWith('/git-receive-pack');
    if (drops) server.dropsNextAnswer = false;
    children.add(serve(options, request, response, drops, children));
  });
  http.listen(options.port ?? 0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;

  async function close(): Promise<void> {
    const closed = once(http, 'close');
    http.close();
    http.closeAllConnections();
    for (const child of children) {
      if (options.oneGroup) child.kill('SIGKILL');
      else killGroup(child.pid, 'SIGKILL');
    }
    await closed;
  }

  const server: GitHttpServer = {
    url: `http://127.0.0.1:${port}`,
    port,
    requests: [],
    hangs: false,
    dropsNextAnswer: false,
    kill: close,
    async [Symbol.asyncDispose]() {
      if (http.listening) await close();
    },
  };
  return server;
}

function isAllowed(allows: (username: string, password: string) => boolean, header = ''): boolean {
  const text = Buffer.from(header.replace(/^Basic /, ''), 'base64').toString();
  const colon = text.indexOf(':');
  return header.startsWith('Basic ') && colon >= 0 && allows(text.slice(0, colon), text.slice(colon + 1));
}

function serve(
  { root, path, oneGroup = false }: GitHttpServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  drops: boolean,
  children: Set<ChildProcess>,
): ChildProcess {
  const url = new URL(request.url ?? '/', 'http://git');
  const { headers } = request;
  const env = {
    PATH: path,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_PROJECT_ROOT: root,
    GIT_HTTP_EXPORT_ALL: '1',
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'http.receivepack',
    GIT_CONFIG_VALUE_0: 'true',
    REMOTE_USER: 'somebody',
    REMOTE_ADDR: '127.0.0.1',
    PATH_INFO: decodeURIComponent(url.pathname),
    QUERY_STRING: url.search.slice(1),
    REQUEST_METHOD: request.method ?? '',
    CONTENT_TYPE: headers['content-type'] ?? '',
    HTTP_CONTENT_ENCODING: headers['content-encoding'] ?? '',
    GIT_PROTOCOL: String(headers['git-protocol'] ?? ''),
  };
  const child = spawn('git', ['http-backend'], {
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: !oneGroup,
  });
  request.pipe(child.stdin);
  child.stdin.on('error', () => {});
  let head: Buffer | undefined = Buffer.alloc(0);
  child.stdout.on('data', (chunk: Buffer) => {
    if (drops) return;
    if (head === undefined) {
      response.write(chunk);
      return;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    for (const line of head.subarray(0, end).toString().split('\r\n')) {
      const [name = '', value = ''] = line.split(': ');
      if (name === 'Status') response.statusCode = Number(value.slice(0, 3));
      else response.setHeader(name, value);
    }
    response.write(head.subarray(end + 4));
    head = undefined;
  });
  child.on('close', () => {
    children.delete(child);
    if (drops || head !== undefined) response.destroy();
    else response.end();
  });
  return child;
}
