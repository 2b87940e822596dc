import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import { killGroup } from '../../runtime/run-process.ts';
import { requestEnvironment } from './request-environment.ts';

export interface ForkOptions {
  mode: 'streaming' | 'serializing';
  command: string[];
  cwd: string;
  environment: Record<string, string>;
  /** Milliseconds one process may take; 0 is without limit. */
  execTimeoutMs: number;
  maxResponseBytes: number;
  contentType: string;
  onErrorOutput: (chunk: Buffer) => void;
}

export interface Fork {
  /** Resolves when the process and its answer have ended. */
  done: Promise<void>;
  kill(): void;
}

type ForkedProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/** Runs one process for one request: body to its input, its output to the answer. */
export function forkForRequest(
  request: IncomingMessage,
  response: ServerResponse,
  options: ForkOptions,
): Fork {
  const [program = '', ...args] = options.command;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...options.environment, ...requestEnvironment(request) },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  let isGone = false;
  let isKilled = false;
  // A program that left the process group may hold the pipes open for ever.
  const closePipes = () => {
    child.stdout.destroy();
    child.stderr.destroy();
  };
  const kill = () => {
    isKilled = true;
    if (isGone) closePipes();
    else killGroup(child.pid, 'SIGKILL');
  };
  child.stderr.on('data', options.onErrorOutput);
  // A process may end without reading all of its input; how it ended is the answer.
  child.stdin.on('error', () => {});
  request.on('error', kill);
  request.pipe(child.stdin);
  response.on('close', kill);
  const answer =
    options.mode === 'streaming' ? streamed(child, response, options) : collected(child, response, options);
  const timer =
    options.execTimeoutMs === 0
      ? undefined
      : setTimeout(() => {
          answer.timedOut();
          kill();
        }, options.execTimeoutMs);
  const done = new Promise<void>((resolve) => {
    child.once('error', () => {
      answer.finish(undefined);
      resolve();
    });
    child.once('exit', () => {
      // What it left running would hold the answer open.
      killGroup(child.pid, 'SIGKILL');
      isGone = true;
      if (isKilled) closePipes();
    });
    child.once('close', (code) => {
      answer.finish(code ?? undefined);
      resolve();
    });
  }).finally(() => clearTimeout(timer));
  return { done, kill };
}

/** How the output of one process becomes one answer. */
interface Answer {
  timedOut(): void;
  /** `undefined`: it did not start or was killed. */
  finish(exitCode: number | undefined): void;
}

/** 200 as soon as it runs; what comes after can only be cut off, so that the caller sees it is not whole. */
function streamed(child: ForkedProcess, response: ServerResponse, options: ForkOptions): Answer {
  child.once('spawn', () => {
    response.writeHead(200, { 'content-type': options.contentType });
    response.flushHeaders();
    child.stdout.pipe(response, { end: false });
  });
  return {
    timedOut: () => response.destroy(),
    finish(exitCode) {
      if (!response.headersSent) refuse(response, 500, 'the function could not be started');
      else if (exitCode === undefined) response.destroy();
      else response.end();
    },
  };
}

function collected(child: ForkedProcess, response: ServerResponse, options: ForkOptions): Answer {
  const chunks: Buffer[] = [];
  let size = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= options.maxResponseBytes) chunks.push(chunk);
    else if (!response.headersSent) {
      refuse(response, 500, `the function answered more than ${options.maxResponseBytes} bytes`);
      killGroup(child.pid, 'SIGKILL');
    }
  });
  return {
    timedOut: () => refuse(response, 504, `the function took more than ${options.execTimeoutMs / 1000} s`),
    finish(exitCode) {
      if (response.headersSent || response.destroyed) return;
      if (exitCode !== 0) return refuse(response, 500, failure(exitCode));
      response.writeHead(200, { 'content-type': options.contentType, 'content-length': size });
      response.end(Buffer.concat(chunks, size));
    },
  };
}

function failure(exitCode: number | undefined): string {
  return exitCode === undefined
    ? 'the function could not be started or was ended'
    : `the function exited with code ${exitCode}`;
}

/** A short plain answer of the watchdog itself. The connection ends with it: the body may not have been read. */
export function refuse(response: ServerResponse, status: number, message: string): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  response.end(`${message}\n`);
}
