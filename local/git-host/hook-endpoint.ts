import { createHash, randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { TowlineError } from '../../core/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { HookRequestReader, type PushedRefs } from './hook-request.ts';

/** Where a hook's handler writes to: the pusher's terminal. Writing after it is gone does nothing. */
export interface HookOutput {
  line(text: string): void;
  /** Aborts when nobody reads any more, or the host stops. */
  signal: AbortSignal;
}

export type HookHandler = (pushed: PushedRefs, output: HookOutput) => Promise<void>;

export interface IssuedHook {
  /** What the hook's process must find in its environment. */
  env: Record<string, string>;
  revoke(): void;
}

/** The loopback port that hooks talk to. Each push gets a secret of its own, good for one connection. */
export interface HookEndpoint extends AsyncDisposable {
  /** `alwaysKept` names refs that the handler is told of however many others are pushed. */
  issue(handler: HookHandler, alwaysKept: readonly string[]): IssuedHook;
}

const requestTimeoutMs = 15_000;
const endOfTransmission = '\x04';

const digest = (token: string) => createHash('sha256').update(token).digest('hex');

/** Everything the hook sends, until the end of the stream. */
function readRequest(socket: Socket, reader: HookRequestReader): Promise<PushedRefs> {
  return new Promise((resolve, reject) => {
    const fail = (message: string) => reject(new TowlineError('bad_request', message));
    const unlessRefused = (read: () => void) => {
      try {
        read();
      } catch (error) {
        reject(error);
        socket.destroy();
      }
    };
    socket.setTimeout(requestTimeoutMs, () => fail('the hook sent nothing'));
    socket.on('data', (chunk: Buffer) => unlessRefused(() => reader.push(chunk)));
    socket.once('close', () => fail('the hook went away'));
    socket.once('end', () => {
      socket.setTimeout(0);
      unlessRefused(() => resolve(reader.end()));
    });
  });
}

/** Listens on a free port of 127.0.0.1. */
export async function openHookEndpoint(deps: { logger: Logger }): Promise<HookEndpoint> {
  const issued = new Map<string, { handler: HookHandler; alwaysKept: ReadonlySet<string> }>();
  const sockets = new Set<Socket>();
  const stopping = new AbortController();

  async function answer(socket: Socket): Promise<void> {
    let handler: HookHandler | undefined;
    const reader = new HookRequestReader((token) => {
      const key = digest(token);
      const found = issued.get(key);
      issued.delete(key);
      if (!found) throw new TowlineError('unauthenticated', 'a hook came with an unknown secret');
      handler = found.handler;
      return found.alwaysKept;
    });
    const pushed = await readRequest(socket, reader);
    const gone = new AbortController();
    socket.once('close', () => gone.abort(new Error('the pusher is gone')));
    const output: HookOutput = {
      line: (text) => void (socket.writable && socket.write(`${text}\n`)),
      signal: AbortSignal.any([gone.signal, stopping.signal]),
    };
    try {
      await handler?.(pushed, output);
    } catch (error) {
      if (stopping.signal.aborted) return;
      deps.logger.error({ err: error }, 'handling a push failed');
      output.line('The push is stored, but an internal error keeps its progress from being shown.');
    }
    if (socket.writable && !stopping.signal.aborted) socket.end(endOfTransmission);
  }

  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
    answer(socket).catch((error: unknown) => {
      deps.logger.warn({ err: error }, 'a hook connection was refused');
      socket.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, resolve);
  });
  const port = String((server.address() as AddressInfo).port);

  return {
    issue(handler, alwaysKept) {
      const token = randomBytes(32).toString('hex');
      const key = digest(token);
      issued.set(key, { handler, alwaysKept: new Set(alwaysKept) });
      return {
        env: { TOWLINE_HOOK_PORT: port, TOWLINE_HOOK_TOKEN: token },
        revoke: () => void issued.delete(key),
      };
    },
    async [Symbol.asyncDispose]() {
      stopping.abort(new Error('the git host stops'));
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
