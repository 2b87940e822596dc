import http from 'node:http';
import https from 'node:https';

export interface HttpAnswer {
  status: number;
  body: Buffer;
}

/** One kept-alive connection to an HTTP server. Rejects with whatever broke off; follows no redirects. */
export interface HttpExchange extends Disposable {
  ask(path: string, options: AskOptions): Promise<HttpAnswer>;
}

interface AskOptions {
  headers: Record<string, string>;
  /** Makes it a POST. */
  body?: Buffer | undefined;
  /** Bytes of the answer that are read; a longer one is an error. */
  maxBytes: number;
  signal: AbortSignal;
}

export function createHttpExchange(base: URL): HttpExchange {
  const { request, Agent } = base.protocol === 'https:' ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });

  function once(path: string, options: AskOptions): Promise<HttpAnswer> {
    const { headers, body, maxBytes, signal } = options;
    return new Promise((resolve, reject) => {
      const asked = request(`${base.href}${path}`, {
        method: body ? 'POST' : 'GET',
        agent,
        headers: body ? { ...headers, 'content-length': body.length } : headers,
        signal,
      });
      asked.on('error', (error) => {
        // Servers close connections that are not used; whoever comes at that moment has to ask again.
        const isStale =
          asked.reusedSocket && /^(?:ECONNRESET|EPIPE)$/.test((error as { code?: string }).code ?? '');
        reject(isStale ? new StaleConnectionError('the connection was closed', { cause: error }) : error);
      });
      asked.on('response', (answer) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        answer.on('error', reject);
        answer.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > maxBytes)
            answer.destroy(new Error(`the remote's answer has more than ${maxBytes} bytes`));
          else chunks.push(chunk);
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks) }));
      });
      asked.end(body);
    });
  }

  return {
    async ask(path, options) {
      for (let tries = 1; ; tries += 1) {
        try {
          return await once(path, options);
        } catch (error) {
          if (!(error instanceof StaleConnectionError) || tries > 2) throw error;
        }
      }
    },
    [Symbol.dispose]() {
      agent.destroy();
    },
  };
}

class StaleConnectionError extends Error {}
