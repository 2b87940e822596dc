import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import type { FunctionDetail, FunctionSummary, Me, Problem } from '../../../core/api.ts';
import type { LogLine, PushRecord } from '../../../core/deploy.ts';
import type { PlatformEvent } from '../../../core/events.ts';
import type { HistoryEntry, ManifestDiff, PendingRemoval } from '../../../core/manifest-writer.ts';
import { apiPaths } from '../../../core/paths.ts';
import type { HostedRepository } from '../../../core/repository-host.ts';

/** What the stub answers; a test changes it as it goes and tells the page by events. */
export interface StubState {
  me: Me;
  /** Whether the page's HTML carries its first data, as the real server's does. */
  embed: boolean;
  functions: FunctionSummary[];
  details: Record<string, FunctionDetail>;
  history: Record<string, HistoryEntry[]>;
  diff: ManifestDiff;
  pushes: PushRecord[];
  repos: HostedRepository[];
  removals: PendingRemoval[];
  /** By a push's id, or as `output of hello`. */
  logs: Record<string, LogLine[]>;
  /** Logs that are still being written. */
  openLogs: Set<string>;
  revert: (body: Record<string, unknown>) => { status: number; body: unknown };
  /** Of every other change of a function: `hold`, `resume`, `undo`, `promote`, `confirm`, `reject`, `remove`. */
  change: (verb: string, body: Record<string, unknown>) => { status: number; body: unknown };
}

export interface PlatformStub extends AsyncDisposable {
  origin: string;
  state: StubState;
  /** Bodies of everything that was sent, with `METHOD path` before it. */
  sent: { what: string; body: unknown }[];
  emit(event: PlatformEvent): void;
  emitReset(): void;
  log(pushId: string, lines: LogLine[]): void;
  endLog(pushId: string): void;
  /** Ends all streams and refuses new ones until it is called with `true`. */
  setStreams(up: boolean): void;
}

/** The policy that the real server sends. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const types: Record<string, string> = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.html': 'text/html; charset=utf-8',
};

function json(res: ServerResponse, body: unknown, status = 200): void {
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  res.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
}

export function problem(status: number, detail: string, code: Problem['code'] = 'conflict'): Problem {
  return { type: 'about:blank', title: detail, status, code, detail, requestId: 'req-7f3a' };
}

async function bodyOf(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString());
}

type Answer = (state: StubState, params: string[], query: URLSearchParams) => unknown;

const gets: [RegExp, Answer][] = [
  [/^\/api\/v1\/me$/, (state) => state.me],
  [
    /^\/api\/v1\/owners\/([^/]+)\/functions$/,
    (state, [owner]) => state.functions.filter((f) => f.owner === owner),
  ],
  [/^\/api\/v1\/owners\/[^/]+\/functions\/([^/]+)$/, (state, [name = '']) => state.details[name]],
  [
    /^\/api\/v1\/owners\/[^/]+\/functions\/([^/]+)\/history$/,
    (state, [name = ''], query) => (state.history[name] ?? []).slice(0, Number(query.get('limit') ?? 50)),
  ],
  [/^\/api\/v1\/owners\/[^/]+\/functions\/[^/]+\/diff$/, (state) => state.diff],
  [/^\/api\/v1\/owners\/([^/]+)\/pushes$/, (state, [owner]) => state.pushes.filter((p) => p.owner === owner)],
  [/^\/api\/v1\/pushes\/([^/]+)$/, (state, [id]) => state.pushes.find((push) => push.id === id)],
  [
    /^\/api\/v1\/owners\/([^/]+)\/removals$/,
    (state, [owner]) => state.removals.filter((r) => r.owner === owner),
  ],
  [/^\/api\/v1\/owners\/[^/]+\/repos$/, (state) => state.repos],
];

/** A server with the built dashboard and the platform's API, whose answers a test scripts. */
export async function startPlatformStub(dist: string, state: StubState): Promise<PlatformStub> {
  const events = new Set<ServerResponse>();
  const logStreams = new Map<ServerResponse, string>();
  const sent: PlatformStub['sent'] = [];
  let streamsUp = true;

  function openStream(res: ServerResponse): boolean {
    if (!streamsUp) {
      json(res, problem(503, 'restarting', 'unavailable'), 503);
      return false;
    }
    res.writeHead(200, { 'content-type': 'text/event-stream' }).write('retry: 100\n\n');
    return true;
  }

  function write(res: ServerResponse, name: string, data: unknown, id?: number): void {
    res.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  function streamLog(req: IncomingMessage, res: ServerResponse, id: string, from: number): void {
    if (!openStream(res)) return;
    const after = Number(req.headers['last-event-id'] ?? from);
    for (const line of state.logs[id] ?? []) if (line.n > after) write(res, 'line', line, line.n);
    if (!state.openLogs.has(id)) write(res, 'end', {});
    logStreams.set(res, id);
    res.on('close', () => logStreams.delete(res));
  }

  function streamOutput(res: ServerResponse, id: string): void {
    if (!openStream(res)) return;
    write(res, 'start', {});
    for (const line of state.logs[id] ?? []) write(res, 'line', line);
    logStreams.set(res, id);
    res.on('close', () => logStreams.delete(res));
  }

  async function change(req: IncomingMessage, res: ServerResponse, url: URL): Promise<void> {
    const path = url.pathname;
    const body = await bodyOf(req);
    sent.push({ what: `${req.method} ${path}${url.search}`, body });
    if (path.endsWith('/revert')) {
      const answer = state.revert(body as Record<string, unknown>);
      return json(res, answer.body, answer.status);
    }
    const verb = /\/(hold|resume|undo|promote|confirm|reject)$/.exec(path)?.[1];
    if (verb) {
      const answer = state.change(verb, body as Record<string, unknown>);
      return json(res, answer.body, answer.status);
    }
    if (req.method === 'DELETE' && path.includes('/functions/')) {
      const answer = state.change('remove', {});
      return json(res, answer.body, answer.status);
    }
    if (path.endsWith('/tokens'))
      return json(res, { id: 't-1', token: 'towline_pat_example', expiresAt: null }, 201);
    if (path.endsWith('/rebuild')) return json(res, { id: state.pushes[0]?.id }, 202);
    res.writeHead(204).end();
  }

  async function file(res: ServerResponse, path: string): Promise<void> {
    const asset = join(dist, normalize(path));
    if (path.startsWith('/assets/') && (await stat(asset).catch(() => null))) {
      res.writeHead(200, { 'content-type': types[extname(asset)] ?? 'text/plain' });
      createReadStream(asset).pipe(res);
      return;
    }
    const html = await readFile(join(dist, 'index.html'), 'utf8');
    const owner = state.me.owners.find((each) => each === path.split('/')[1]) ?? state.me.identity.owner;
    const data = {
      me: state.me,
      functions: state.functions.filter((row) => row.owner === owner),
      removals: state.removals.filter((removal) => removal.owner === owner),
    };
    const block = `<script type="application/json" id="towline-data">${JSON.stringify(data).replaceAll('<', '\\u003c')}</script>`;
    res.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy });
    res.end(state.embed ? html.replace('</head>', `${block}</head>`) : html);
  }

  function streamEvents(res: ServerResponse): void {
    if (!openStream(res)) return;
    events.add(res);
    res.on('close', () => events.delete(res));
  }

  function data(res: ServerResponse, url: URL): void {
    for (const [pattern, answer] of gets) {
      const match = pattern.exec(url.pathname);
      if (!match) continue;
      const body = answer(state, match.slice(1).map(decodeURIComponent), url.searchParams);
      if (body === undefined) break;
      json(res, body);
      return;
    }
    json(res, problem(404, 'there is no such thing', 'not_found'), 404);
  }

  async function get(req: IncomingMessage, res: ServerResponse, url: URL): Promise<void> {
    const path = url.pathname;
    const log = /^\/api\/v1\/pushes\/([^/]+)\/log\/stream$/.exec(path)?.[1];
    const output = /^\/api\/v1\/owners\/demo\/functions\/([^/]+)\/output\/stream$/.exec(path)?.[1];
    if (path === apiPaths.events()) streamEvents(res);
    else if (log) streamLog(req, res, log, Number(url.searchParams.get('after') ?? 0));
    else if (output) streamOutput(res, `output of ${output}`);
    else if (path.startsWith('/api/')) data(res, url);
    else await file(res, path);
  }

  const server = createServer((req, res) => {
    const url = new URL(req.url ?? '/', 'http://stub');
    if (req.method === 'GET') void get(req, res, url);
    else void change(req, res, url);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const endStreams = () => {
    for (const res of [...events, ...logStreams.keys()]) res.end();
  };
  return {
    origin: `http://127.0.0.1:${port}`,
    state,
    sent,
    emit(event) {
      for (const res of events) write(res, event.type, event);
    },
    emitReset() {
      for (const res of events) write(res, 'reset', {});
    },
    log(pushId, lines) {
      state.logs[pushId] = [...(state.logs[pushId] ?? []), ...lines];
      for (const [res, id] of logStreams)
        if (id === pushId) for (const line of lines) write(res, 'line', line, line.n);
    },
    endLog(pushId) {
      state.openLogs.delete(pushId);
      for (const [res, id] of logStreams) if (id === pushId) write(res, 'end', {});
    },
    setStreams(up) {
      streamsUp = up;
      if (!up) endStreams();
    },
    async [Symbol.asyncDispose]() {
      endStreams();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
