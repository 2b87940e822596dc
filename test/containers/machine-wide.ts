import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * Holds a name that one process of this machine may have at a time, or gives `undefined` if it is taken. The kernel
 * keeps the name, beside the ports of the same network namespace, and lets go of it when the process ends, however. Only
 * Linux does; elsewhere, where no Docker Engine is started, everybody is let have it.
 */
export async function tryHold(name: string): Promise<AsyncDisposable | undefined> {
  if (process.platform !== 'linux') return { [Symbol.asyncDispose]: async () => {} };
  const waiting = new Set<Socket>();
  const server = createServer((socket) => {
    waiting.add(socket);
    socket.unref().on('error', () => {});
    socket.on('close', () => waiting.delete(socket));
  });
  if (!(await isListening(server, name))) return undefined;
  server.unref();
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of waiting) socket.destroy();
      await closed;
    },
  };
}

/** The same, after whoever has it. */
export async function hold(name: string): Promise<AsyncDisposable> {
  for (;;) {
    const held = await tryHold(name);
    if (held) return held;
    await untilLetGo(name);
  }
}

async function isListening(server: Server, name: string): Promise<boolean> {
  server.listen(addressOf(name));
  try {
    await once(server, 'listening');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
}

/** Whoever has the name keeps the connection until it lets go, or until it dies. */
async function untilLetGo(name: string): Promise<void> {
  const socket = connect(addressOf(name));
  socket.on('error', () => {});
  socket.resume();
  await new Promise<void>((resolve) => socket.on('close', () => resolve()));
}

/** Of the kernel's, not of a file system. */
function addressOf(name: string): string {
  return `\0towline-test-${name}`;
}
