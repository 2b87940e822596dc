import { createHash, randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { TowlineError } from '../../core/errors.ts';
import type { Logger } from '../../runtime/logger.ts';

/** One line of what git hands to a post-receive hook. */
export interface RefUpdate {
  ref: string;
  before: string;
  after: string;
}

/** Where a hook's handler writes to: the pusher's terminal. Writing after it is gone does nothing. */
export interface HookOutput {
  line(text: string): void;
  /** Aborts when nobody reads any more, or the host stops. */
  signal: AbortSignal;
}

export type HookHandler = (updates: RefUpdate[], output: HookOutput) => Promise<void>;

export interface IssuedHook {
  /** What the hook's process must find in its environment. */
  env: Record<string, string>;
  revoke(): void;
}

/** The loopback port that hooks talk to. Each push gets a secret of its own, good for one connection. */
export interface HookEndpoint extends AsyncDisposable {
  issue(handler: HookHandler): IssuedHook;
}

const maxRequestBytes = 4 * 1024 * 1024;
const requestTimeoutMs = 15_000;
const endOfTransmission = '\x04';
const updateLine = /^([0-9a-f]{40}) ([0-9a-f]{40}) (refs\/\S+)$/;

const digest = (token: string) => createHash('sha256').update(token).digest('hex');

function parseUpdates(text: string): RefUpdate[] {
  const updates: RefUpdate[] = [];
  for (const line of text.split('\n')) {
    const [, before, after, ref] = updateLine.exec(line) ?? [];
    if (before && after && ref) updates.push({ before, after, ref });
  }
  return updates;
}

/** Everything the hook sends: its secret on the first line, then the updates, then the end of the stream. */
function readRequest(socket: Socket): Promise<{ token: string; rest: string }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const fail = (message: string) => reject(new TowlineError('bad_request', message));
    socket.setTimeout(requestTimeoutMs, () => fail('the hook sent nothing'));
    socket.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxRequestBytes) return fail('the hook sent too much');
      chunks.push(chunk);
    });
    socket.once('close', () => fail('the hook went away'));
    socket.once('end', () => {
      socket.setTimeout(0);
      const text = Buffer.concat(chunks).toString('utf8');
      const end = text.indexOf('\n');
      resolve({ token: text.slice(0, Math.max(end, 0)), rest: text.slice(end + 1) });
    });
  });
}

/** Listens on a free port of 127.0.0.1. */
export async function openHookEndpoint(deps: { logger: Logger }): Promise<HookEndpoint> {
  const handlers = new Map<string, HookHandler>();
  const sockets = new Set<Socket>();
  const stopping = new AbortController();

  async function answer(socket: Socket): Promise<void> {
    const { token, rest } = await readRequest(socket);
    const key = digest(token);
    const handler = handlers.get(key);
    handlers.delete(key);
    if (!handler) throw new TowlineError('unauthenticated', 'a hook came with an unknown secret');
    const gone = new AbortController();
    socket.once('close', () => gone.abort(new Error('the pusher is gone')));
    const output: HookOutput = {
      line: (text) => void (socket.writable && socket.write(`${text}\n`)),
      signal: AbortSignal.any([gone.signal, stopping.signal]),
    };
    try {
      await handler(parseUpdates(rest), output);
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
    issue(handler) {
      const token = randomBytes(32).toString('hex');
      const key = digest(token);
      handlers.set(key, handler);
      return {
        env: { TOWLINE_HOOK_PORT: port, TOWLINE_HOOK_TOKEN: token },
        revoke: () => void handlers.delete(key),
      };
    },
    async [Symbol.asyncDispose]() {
      stopping.abort(new Error('the git host stops'));
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
