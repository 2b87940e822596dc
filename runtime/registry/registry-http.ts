import { isIP } from 'node:net';
import { Agent, type Dispatcher } from 'undici';
import { TowlineError } from '../../core/errors.ts';
import { backoffMs } from '../backoff.ts';
import { delay } from '../lifecycle.ts';
import { isPublicAddress, publicLookup } from './public-address.ts';
import { hostName, isLoopbackHost } from './registry-pattern.ts';

export interface RegistryCall {
  url: URL;
  /** Default `GET`. */
  method?: 'GET' | 'POST' | undefined;
  headers: Record<string, string>;
  body?: string | undefined;
  maxBytes: number;
  signal: AbortSignal;
}

export interface RegistryAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

export interface RegistryHttpOptions {
  /** Milliseconds for one exchange. */
  timeoutMs: number;
  /** Exchanges for one question, the first included. */
  maxTries: number;
  retry: { firstMs: number; maxMs: number };
}

/** Talks to registries: bounded in time, size and tries; no redirects are followed here. */
export interface RegistryHttp extends AsyncDisposable {
  /**
   * `isTrusted`: the host was named by an operator and may be anywhere. Else it was named by a registry, and only
   * https to a public address is spoken. Throws `registry_unavailable`, `policy_refused`.
   */
  call(call: RegistryCall, isTrusted: boolean): Promise<RegistryAnswer>;
}

const maxRetryAfterMs = 10_000;

/** How long a busy registry asks to be left alone; `undefined` if it doesn't say in seconds. */
function retryAfterMs({ headers }: RegistryAnswer): number | undefined {
  const seconds = Number(headers['retry-after']);
  return Number.isInteger(seconds) && seconds >= 0 ? Math.min(seconds * 1000, maxRetryAfterMs) : undefined;
}

function isPassing(status: number): boolean {
  return status === 429 || status >= 500;
}

function assertPublic({ protocol, hostname, host }: URL): void {
  const name = hostName(hostname);
  const isPrivate = isLoopbackHost(name) || (isIP(name) !== 0 && !isPublicAddress(name));
  if (protocol === 'https:' && !isPrivate) return;
  throw new TowlineError('policy_refused', `the registry sends to ${host}, which is not trusted`, {
    hint: 'an operator may allow that host as a registry',
  });
}

function away(host: string, why: string, cause?: unknown): TowlineError {
  return new TowlineError('registry_unavailable', `the registry ${host} cannot be reached (${why})`, {
    cause,
  });
}

/** The system's word for a failed connection, without addresses. */
function failureWord(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (code === 'ENOTPUBLIC') return 'its address is not a public one';
  if (typeof code === 'string') return code;
  return error instanceof Error && error.name === 'TimeoutError'
    ? 'no answer in time'
    : 'the connection failed';
}

async function boundedBody(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes)
      throw new TowlineError('too_large', `a registry's answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

export function createRegistryHttp(options: RegistryHttpOptions): RegistryHttp {
  const trusted = new Agent();
  const guarded = new Agent({ connect: { lookup: publicLookup } });

  async function exchange(call: RegistryCall, dispatcher: Dispatcher): Promise<RegistryAnswer> {
    const { url, method = 'GET', headers, body = null, maxBytes } = call;
    const signal = AbortSignal.any([call.signal, AbortSignal.timeout(options.timeoutMs)]);
    const path = `${url.pathname}${url.search}`;
    const answer = await dispatcher.request({ origin: url.origin, path, method, headers, body, signal });
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: await boundedBody(answer.body, maxBytes),
    };
  }

  /** The answer, or what keeps it from coming for now. */
  async function attempt(
    call: RegistryCall,
    dispatcher: Dispatcher,
  ): Promise<{ answer: RegistryAnswer } | { fault: TowlineError; waitMs?: number | undefined }> {
    const { host } = call.url;
    try {
      const answer = await exchange(call, dispatcher);
      if (!isPassing(answer.status)) return { answer };
      const why = answer.status === 429 ? 'too many requests' : `it answers ${answer.status}`;
      return { fault: away(host, why), waitMs: retryAfterMs(answer) };
    } catch (error) {
      call.signal.throwIfAborted();
      if (error instanceof TowlineError) throw error;
      return { fault: away(host, failureWord(error), error) };
    }
  }

  return {
    async call(call, isTrusted) {
      if (!isTrusted) assertPublic(call.url);
      for (let tries = 1; ; tries += 1) {
        const result = await attempt(call, isTrusted ? trusted : guarded);
        if ('answer' in result) return result.answer;
        if (tries >= options.maxTries) throw result.fault;
        await delay(result.waitMs ?? backoffMs(tries, options.retry), call.signal);
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([trusted.destroy(), guarded.destroy()]);
    },
  };
}
