import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { ApiContract, MatchedOperation } from './api-description.ts';

export interface ForgeRequest extends MatchedOperation {
  method: string;
  url: URL;
  headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: it has been checked against the description
  body: any;
}

export interface ForgeAnswer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

/** What was asked and answered, in order. */
export interface ForgeCall {
  method: string;
  path: string;
  /** As in the description; `undefined` for what it does not know. */
  operation: string | undefined;
  status: number;
  headers: IncomingHttpHeaders;
  body: unknown;
}

/**
 * How the forge misbehaves now. `away`: connections break; `failing`: 502 to everything; `answer`: of its own for
 * a request, as a rate limit, or `undefined` for the true one.
 */
export interface ForgeFaults {
  away: boolean;
  failing: boolean;
  answer: ((request: ForgeRequest) => ForgeAnswer | undefined) | undefined;
  /** Does what is asked, then breaks the connection: the answer to the next request is lost. */
  losesNextAnswer: ((request: ForgeRequest) => boolean) | undefined;
}

export interface ForgeServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  origin: string;
  calls: ForgeCall[];
  faults: ForgeFaults;
  /** Requests and answers that are not as the forge describes them. Disposing throws if there is one. */
  violations: string[];
}

export interface ForgeServerOptions {
  contract: ApiContract;
  /** Cut off paths before they are looked up, as `/api/v4`. */
  prefix?: string | undefined;
  handle(request: ForgeRequest): ForgeAnswer | Promise<ForgeAnswer>;
  /** What is none of the API. */
  other?: ((req: IncomingMessage, res: ServerResponse) => void) | undefined;
  /** On every answer, as the state of the rate limit. */
  headers?: (() => Record<string, string>) | undefined;
}

/** A real HTTP server that checks each request and each of its own answers against a description. */
export async function startForgeServer(options: ForgeServerOptions): Promise<ForgeServer> {
  const { contract, prefix = '' } = options;
  const calls: ForgeCall[] = [];
  const violations: string[] = [];
  const faults: ForgeFaults = {
    away: false,
    failing: false,
    answer: undefined,
    losesNextAnswer: undefined,
  };

  async function answerTo(request: ForgeRequest): Promise<ForgeAnswer> {
    if (faults.failing) return { status: 502, body: { message: 'Bad gateway' } };
    const wrong = contract.checkRequest(request, request.url.searchParams, request.body);
    if (wrong.length > 0) {
      violations.push(`${request.method} ${request.url.pathname}: ${wrong.join('; ')}`);
      return { status: 422, body: { message: wrong.join('; '), documentation_url: 'about:blank' } };
    }
    return faults.answer?.(request) ?? options.handle(request);
  }

  function check(request: ForgeRequest, answer: ForgeAnswer): void {
    const wrong = contract.checkAnswer(request.name, answer.status, answer.body);
    if (wrong.length > 0) violations.push(`the answer to ${request.name}: ${wrong.slice(0, 3).join('; ')}`);
  }

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', 'http://forge');
    const method = req.method ?? 'GET';
    if (faults.away) {
      calls.push({
        method,
        path: url.pathname,
        operation: undefined,
        status: 0,
        headers: req.headers,
        body: null,
      });
      return void req.socket.destroy();
    }
    const path = url.pathname.startsWith(`${prefix}/`) ? url.pathname.slice(prefix.length) : undefined;
    const matched = path === undefined ? undefined : contract.match(method, path);
    if (!matched && options.other) return options.other(req, res);
    const raw = await text(req);
    const body = raw === '' ? undefined : JSON.parse(raw);
    const request = { ...(matched ?? { name: '', parameters: {} }), method, url, headers: req.headers, body };
    const answer = matched ? await answerTo(request) : { status: 404, body: { message: 'Not Found' } };
    if (matched) check(request, answer);
    const { status } = answer;
    calls.push({ method, path: url.pathname, operation: matched?.name, status, headers: req.headers, body });
    if (faults.losesNextAnswer?.(request)) {
      faults.losesNextAnswer = undefined;
      return void req.socket.destroy();
    }
    const headers = { ...options.headers?.(), ...answer.headers };
    if (answer.body === undefined) return void res.writeHead(status, headers).end();
    res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
    res.end(JSON.stringify(answer.body));
  }

  const http = createServer((req, res) => {
    serve(req, res).catch((error: unknown) => {
      violations.push(`${req.method} ${req.url}: ${String(error)}`);
      req.socket.destroy();
    });
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    origin: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    calls,
    faults,
    violations,
    async [Symbol.asyncDispose]() {
      const closed = once(http, 'close');
      http.close();
      http.closeAllConnections();
      await closed;
      if (violations.length > 0) throw new Error(`not as the forge describes it: ${violations.join('\n')}`);
    },
  };
}
