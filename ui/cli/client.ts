import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Problem } from '../../core/api.ts';

/** Exit codes of dashboard-and-cli.md §5; they never change. */
export const exitCodes = {
  failed: 1,
  usage: 2,
  notLoggedIn: 3,
  notFound: 5,
  deployFailed: 6,
  timeout: 7,
} as const;

/** An error that the person can act on; printed as text, or as JSON with `--json`. */
export class CliError extends Error {
  readonly exitCode: number;
  readonly code: string;
  readonly hint: string | undefined;

  constructor(exitCode: number, code: string, message: string, hint?: string) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
    this.code = code;
    this.hint = hint;
  }
}

export interface Connection {
  /** As `http://localhost:8080`. */
  origin: string;
  token: string;
}

export interface ConnectionSources {
  url: string | undefined;
  token: string | undefined;
  dataDir: string;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function runningOrigin(dataDir: string): string | undefined {
  const text = readIfThere(join(dataDir, 'running.json'));
  return text === undefined ? undefined : (JSON.parse(text) as { origin: string }).origin;
}

/** From the environment, or from the data folder of a platform that runs on this machine. */
export function findConnection(sources: ConnectionSources): Connection {
  const origin = sources.url ?? runningOrigin(sources.dataDir);
  if (!origin) {
    throw new CliError(
      exitCodes.failed,
      'unavailable',
      'Towline does not run here',
      'start it with "npm start", or set TOWLINE_URL',
    );
  }
  const token = sources.token ?? readIfThere(join(sources.dataDir, 'cli-token'));
  if (!token) {
    throw new CliError(
      exitCodes.notLoggedIn,
      'unauthenticated',
      'no token',
      'set TOWLINE_TOKEN (make one in the dashboard)',
    );
  }
  return { origin: origin.replace(/\/$/, ''), token };
}

function toCliError(status: number, text: string): CliError {
  try {
    const problem = JSON.parse(text) as Problem;
    const exitCode =
      status === 401 ? exitCodes.notLoggedIn : status === 404 ? exitCodes.notFound : exitCodes.failed;
    return new CliError(exitCode, problem.code, problem.detail, problem.hint);
  } catch {
    return new CliError(exitCodes.failed, 'internal', `the platform answered ${status}`);
  }
}

export interface Client {
  connection: Connection;
  request<T>(method: string, path: string, body?: unknown): Promise<T>;
  text(path: string): Promise<string>;
  /** Of a stream of the platform API, whose events have one line of data each, until it ends. */
  events(path: string): AsyncGenerator<StreamedEvent>;
}

export interface StreamedEvent {
  event: string;
  data: string;
}

const requestTimeoutMs = 60_000;

/** Every 15 s a stream has at least a sign of life; one that is silent for longer is gone. */
const streamSilenceMs = 60_000;

async function* linesOf(body: NonNullable<Response['body']>, alive: () => void): AsyncGenerator<string> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    alive();
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

export function createClient(connection: Connection): Client {
  async function ask(
    method: string,
    path: string,
    options: { body?: unknown; signal: AbortSignal },
  ): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${connection.token}` };
    const { body, signal } = options;
    const init: RequestInit = { method, headers, signal, redirect: 'error' };
    if (body !== undefined) {
      headers['content-type'] = 'application/json';
      init.body = JSON.stringify(body);
    }
    const response = await fetch(connection.origin + path, init).catch((cause: unknown) => {
      throw new CliError(
        exitCodes.failed,
        'unavailable',
        `${connection.origin} does not answer`,
        `is it running? (${String(cause)})`,
      );
    });
    if (!response.ok) throw toCliError(response.status, await response.text());
    return response;
  }

  async function send(method: string, path: string, body?: unknown): Promise<string> {
    const signal = AbortSignal.timeout(requestTimeoutMs);
    return (await ask(method, path, { body, signal })).text();
  }

  async function* events(path: string): AsyncGenerator<StreamedEvent> {
    const silent = new AbortController();
    const timer = setTimeout(() => silent.abort(), streamSilenceMs);
    try {
      const { body } = await ask('GET', path, { signal: silent.signal });
      if (body === null) return;
      let event = '';
      for await (const line of linesOf(body, () => timer.refresh())) {
        if (line.startsWith('event: ')) event = line.slice('event: '.length);
        else if (line.startsWith('data: ')) yield { event, data: line.slice('data: '.length) };
      }
    } finally {
      clearTimeout(timer);
    }
  }
  return {
    connection,
    async request<T>(method: string, path: string, body?: unknown) {
      const text = await send(method, path, body);
      return (text === '' ? undefined : JSON.parse(text)) as T;
    },
    text: (path) => send('GET', path),
    events,
  };
}
