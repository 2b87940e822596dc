import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename, dirname, join } from 'node:path';
import { gitEnvironment, gitOutput } from '../../runtime/git.ts';
import type { Logger } from '../../runtime/logger.ts';
import { killGroup } from '../../runtime/run-process.ts';
import { createCgiHeadReader } from './cgi-response.ts';
import type { GitRequest } from './git-request.ts';

export interface BackendCall {
  request: GitRequest;
  /** Of the bare repository. */
  repositoryPath: string;
  /** git configuration and what hooks need. */
  env: Record<string, string>;
  /** Logged by git; no credentials. */
  user: string;
}

/** Runs git's own `http-backend` for one request at a time, streaming both ways. */
export interface HttpBackend extends AsyncDisposable {
  /** Resolves when the program has ended, however that came. */
  serve(call: BackendCall, request: IncomingMessage, response: ServerResponse): Promise<void>;
}

export interface HttpBackendConfig {
  /** PATH of the children. */
  path: string;
  maxBodyBytes: number;
  /** How long, in milliseconds, neither side may move a byte while a pack is carried. */
  stallTimeoutMs: number;
}

const killGraceMs = 2_000;
const protocolHeader = /^version=\d(?::[a-z0-9=._-]{1,100})*$/;

/** The variables of RFC 3875 that http-backend reads; nothing of the request's other headers gets through. */
function cgiEnvironment(call: BackendCall, incoming: IncomingMessage): Record<string, string> {
  const { service, step } = call.request;
  const { headers } = incoming;
  const env: Record<string, string> = {
    GATEWAY_INTERFACE: 'CGI/1.1',
    SERVER_PROTOCOL: 'HTTP/1.1',
    REQUEST_METHOD: step === 'advertise' ? 'GET' : 'POST',
    QUERY_STRING: step === 'advertise' ? `service=${service}` : '',
    GIT_PROJECT_ROOT: dirname(call.repositoryPath),
    PATH_INFO: `/${basename(call.repositoryPath)}/${step === 'advertise' ? 'info/refs' : service}`,
    GIT_HTTP_EXPORT_ALL: '1',
    REMOTE_USER: call.user,
    REMOTE_ADDR: incoming.socket.remoteAddress ?? '',
  };
  const protocol = headers['git-protocol'];
  if (typeof protocol === 'string' && protocolHeader.test(protocol)) env['HTTP_GIT_PROTOCOL'] = protocol;
  if (step === 'advertise') return env;
  env['CONTENT_TYPE'] = `application/x-${service}-request`;
  if (headers['content-encoding'] !== undefined) env['HTTP_CONTENT_ENCODING'] = 'gzip';
  // No CONTENT_LENGTH, though the client may have told it: waiting for bytes that do not come, http-backend reads the
  // end of its input for ever, at full speed, once the platform was killed in the middle of an upload.
  return env;
}

/** One request on its way through one child. */
class Exchange {
  readonly finished: Promise<void>;
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly incoming: IncomingMessage;
  private readonly outgoing: ServerResponse;
  private readonly config: HttpBackendConfig;
  /** A push whose upload is whole goes on without its client. */
  private readonly outlivesClient: boolean;
  private readonly stall: NodeJS.Timeout;
  private killTimer: NodeJS.Timeout | undefined;
  private uploaded = false;
  private received = 0;
  private stderr = '';

  constructor(
    child: ChildProcessWithoutNullStreams,
    streams: { incoming: IncomingMessage; outgoing: ServerResponse },
    config: HttpBackendConfig,
    outlivesClient: boolean,
  ) {
    this.child = child;
    this.incoming = streams.incoming;
    this.outgoing = streams.outgoing;
    this.config = config;
    this.outlivesClient = outlivesClient;
    this.stall = setTimeout(() => this.stalled(), config.stallTimeoutMs);
    this.finished = new Promise((resolve) => {
      child.once('error', () => resolve());
      child.once('close', () => resolve());
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString('utf8')).slice(-4096);
    });
    this.carryRequest();
    this.carryResponse();
    this.outgoing.once('close', () => this.clientGone());
  }

  /** Asks the child's whole group to end, then makes it. */
  end(): void {
    if (this.killTimer) return;
    killGroup(this.child.pid, 'SIGTERM');
    this.killTimer = setTimeout(() => killGroup(this.child.pid, 'SIGKILL'), killGraceMs);
  }

  /** After the child has ended. */
  close(): string {
    clearTimeout(this.stall);
    clearTimeout(this.killTimer);
    // A hook may outlive the git that started it.
    if (this.killTimer) killGroup(this.child.pid, 'SIGKILL');
    this.answer(500, 'git ended without an answer.');
    this.outgoing.end();
    return this.stderr.trim();
  }

  private answer(status: number, message: string): void {
    if (this.outgoing.headersSent || this.outgoing.destroyed) return;
    this.outgoing.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
    this.outgoing.end(`${message}\n`);
  }

  private carryRequest(): void {
    const { incoming, child } = this;
    // git may end before it has read everything; the rest is then read and dropped, so that its answer arrives.
    child.stdin.on('error', () => incoming.resume());
    incoming.on('error', () => {});
    incoming.on('data', (chunk: Buffer) => {
      this.stall.refresh();
      this.received += chunk.length;
      if (this.received > this.config.maxBodyBytes) return this.tooLarge();
      if (!child.stdin.writable || child.stdin.write(chunk)) return;
      incoming.pause();
    });
    child.stdin.on('drain', () => incoming.resume());
    child.stdin.on('close', () => incoming.resume());
    incoming.once('end', () => {
      this.uploaded = true;
      child.stdin.end();
    });
  }

  private tooLarge(): void {
    this.answer(413, `The request is larger than ${this.config.maxBodyBytes} bytes.`);
    this.end();
  }

  private carryResponse(): void {
    const { outgoing, child } = this;
    const reader = createCgiHeadReader();
    let head = false;
    child.stdout.on('data', (chunk: Buffer) => {
      this.stall.refresh();
      if (head) return this.send(chunk);
      const result = reader.push(chunk);
      if (result === undefined) return;
      head = true;
      if (result === 'invalid') return this.answer(502, 'git gave no valid answer.');
      if (outgoing.headersSent || outgoing.destroyed) return;
      outgoing.writeHead(result.head.status, result.head.headers);
      this.send(result.rest);
    });
    outgoing.on('error', () => {});
    outgoing.on('drain', () => {
      this.stall.refresh();
      child.stdout.resume();
    });
  }

  private send(chunk: Buffer): void {
    // Without a client the output is dropped: a pause would never end.
    if (this.outgoing.destroyed || this.outgoing.writableEnded || chunk.length === 0) return;
    if (!this.outgoing.write(chunk)) this.child.stdout.pause();
  }

  private get detached(): boolean {
    return this.outlivesClient && this.uploaded;
  }

  private clientGone(): void {
    if (this.outgoing.writableFinished) return;
    // Nobody reads any more, but a full pipe would hold up git and its hook.
    if (this.detached) this.child.stdout.resume();
    else this.end();
  }

  private stalled(): void {
    const waitsForClient = this.child.stdout.isPaused() && !this.outgoing.destroyed;
    if (waitsForClient || !this.detached) this.outgoing.destroy();
    if (this.detached) this.stall.refresh();
    else this.end();
  }
}

/** Finds `git-http-backend` beside git's other programs. */
export async function openHttpBackend(
  config: HttpBackendConfig,
  deps: { logger: Logger },
): Promise<HttpBackend> {
  const found = await gitOutput({ args: ['--exec-path'], env: gitEnvironment(config.path) });
  const program = join(found.trim(), 'git-http-backend');
  const exchanges = new Set<Exchange>();
  return {
    async serve(call, incoming, outgoing) {
      // Its "close" has been emitted already, so nothing would end the child.
      if (outgoing.destroyed) return;
      const env = gitEnvironment(config.path, { ...call.env, ...cgiEnvironment(call, incoming) });
      const child = spawn(program, [], { env, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
      const outlivesClient = call.request.service === 'git-receive-pack' && call.request.step === 'exchange';
      const exchange = new Exchange(child, { incoming, outgoing }, config, outlivesClient);
      exchanges.add(exchange);
      await exchange.finished;
      exchanges.delete(exchange);
      const complaint = exchange.close();
      if (complaint)
        deps.logger.info({ complaint, repository: call.repositoryPath }, 'git http-backend said');
    },
    async [Symbol.asyncDispose]() {
      const running = [...exchanges];
      for (const exchange of running) exchange.end();
      await Promise.all(running.map((exchange) => exchange.finished));
    },
  };
}
