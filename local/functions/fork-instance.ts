import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { durationMs } from './duration.ts';
import { type Fork, type ForkOptions, forkForRequest, refuse } from './fork-request.ts';
import type { Instance, InstanceSpec } from './instance.ts';
import { createOutputTail } from './output-tail.ts';

const defaultExecTimeoutMs = 30_000;

/** Modes `streaming` and `serializing`: this process speaks HTTP for the function and forks it for each request. */
export function startForkInstance(spec: InstanceSpec, mode: 'streaming' | 'serializing'): Instance {
  const forks = new Set<Fork>();
  const maxForks = forkBound(spec);
  let isEnding = false;
  const tail = createOutputTail();
  const options = forkOptions(spec, mode, (chunk) => {
    tail.push(chunk);
    spec.onOutput(chunk);
  });

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const isFull = forks.size >= maxForks;
    if (request.url === '/_/health') answerHealth(request, response, 200);
    else if (request.url === '/_/ready') answerHealth(request, response, isFull ? 429 : 200);
    else if (isFull) refuse(response, 429, `the function already runs ${maxForks} times`);
    else fork(request, response);
  }

  function fork(request: IncomingMessage, response: ServerResponse): void {
    try {
      const started = forkForRequest(request, response, options);
      forks.add(started);
      void started.done.then(() => forks.delete(started));
      // A kept-alive connection that has got its answer would hold the end up until it times out.
      response.once('close', () => isEnding && setImmediate(() => server.closeIdleConnections()));
    } catch (error) {
      spec.onOutput(Buffer.from(`cannot start the function: ${String(error)}\n`));
      refuse(response, 500, 'the function could not be started');
    }
  }

  const server = createServer(handle);
  // The function's own time limit is what ends a request; a slow upload is the router's to judge.
  server.requestTimeout = 0;
  const ended = new Promise<string>((resolve) => {
    server.once('error', (error) => resolve(`could not be started: ${error.message}`));
    server.once('close', () => {
      void Promise.all([...forks].map((fork) => fork.done)).then(() => resolve('was stopped'));
    });
  });
  server.listen(spec.port, '127.0.0.1');
  return {
    origin: `http://127.0.0.1:${spec.port}`,
    tail,
    ended,
    terminate() {
      isEnding = true;
      server.close();
    },
    kill() {
      for (const fork of forks) fork.kill();
      server.close();
      server.closeAllConnections();
    },
  };
}

function forkOptions(
  spec: InstanceSpec,
  mode: 'streaming' | 'serializing',
  onErrorOutput: (chunk: Buffer) => void,
): ForkOptions {
  return {
    mode,
    command: spec.artifact.descriptor.command,
    cwd: spec.artifact.root,
    environment: spec.environment,
    execTimeoutMs: durationMs(spec.environment['exec_timeout'], defaultExecTimeoutMs),
    maxResponseBytes: spec.limits.maxResponseBytes,
    contentType: headerValue(spec.environment['content_type']) ?? 'application/octet-stream',
    onErrorOutput,
  };
}

/** `max_inflight` is the watchdog's own setting; the platform's bound is the upper one. */
function forkBound(spec: InstanceSpec): number {
  const asked = Number(spec.environment['max_inflight'] ?? 0);
  return Number.isInteger(asked) && asked > 0 ? Math.min(asked, spec.limits.maxForks) : spec.limits.maxForks;
}

function headerValue(text: string | undefined): string | undefined {
  return text !== undefined && /^[\x20-\x7e]{1,200}$/.test(text) ? text : undefined;
}

function answerHealth(request: IncomingMessage, response: ServerResponse, status: number): void {
  if (request.method !== 'GET') refuse(response, 405, 'only GET');
  else response.writeHead(status, { 'content-type': 'text/plain' }).end(status === 200 ? 'OK' : 'busy');
}
