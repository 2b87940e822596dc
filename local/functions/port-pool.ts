import { createServer } from 'node:net';
import { TowlineError } from '../../core/errors.ts';

/** Both ends are included. Keep it below the ephemeral range (from 32768 on Linux, 49152 elsewhere). */
export interface PortRange {
  from: number;
  to: number;
}

/** Lends ports on 127.0.0.1, each to one instance at a time. */
export interface PortPool {
  lease(): Promise<number>;
  release(port: number): void;
}

/** A test-bind skips ports that some other program holds; the random start keeps two platforms apart. */
export function createPortPool(range: PortRange, random: () => number): PortPool {
  const size = range.to - range.from + 1;
  const leased = new Set<number>();
  let next = Math.floor(random() * size);
  return {
    async lease() {
      for (let tried = 0; tried < size; tried++) {
        const port = range.from + (next++ % size);
        if (leased.has(port)) continue;
        leased.add(port);
        if (await isFree(port)) return port;
        leased.delete(port);
      }
      throw new TowlineError('unavailable', `no port from ${range.from} to ${range.to} is free`);
    },
    release(port) {
      leased.delete(port);
    },
  };
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
