import { Pool } from 'undici';
import type { z } from 'zod';
import type { Call, CallContract } from '../../core/calls/call.ts';
import { TowlineError } from '../../core/errors.ts';
import { backoffMs } from '../backoff.ts';
import { delay } from '../lifecycle.ts';
import { answersOf } from './call-answers.ts';
import { CallFault, faultOf } from './call-fault.ts';
import type { ServiceTokens } from './service-tokens.ts';
import { maxInputBytes } from './wire.ts';

export interface CallClientOptions {
  /** As `http://manifest-writer:8081`; without a path. */
  url: string;
  tokens: ServiceTokens;
  /** Milliseconds without a sign of life after which the other side is taken for dead. Default: 20,000. */
  idleMs?: number | undefined;
  /** How long, in milliseconds, a call that may be repeated is tried again before it is given up. */
  retry?: { forMs: number; firstMs: number; maxMs: number } | undefined;
  /** Connections for calls that end by themselves; those for endless ones are not limited by it. Default: 128. */
  maxConnections?: number | undefined;
}

type Calls<C extends CallContract> = C['calls'];
export type InputOf<C extends Call> = z.input<C['input']>;
export type OutputOf<C extends Call> = z.output<C['output']>;
export type ItemOf<C extends Call> = C['item'] extends z.ZodType ? z.output<C['item']> : never;

export interface AskOptions<Item> {
  signal?: AbortSignal | undefined;
  onItem?: ((item: Item) => void) | undefined;
}

/** One service's methods, over HTTP. */
export interface CallClient<C extends CallContract> extends AsyncDisposable {
  /**
   * Throws what the method threw; `unavailable` if there was no answer: the method may have been carried out then,
   * except that it surely was not if it cannot be repeated and the service was not reached.
   */
  ask<K extends keyof Calls<C> & string>(
    method: K,
    input: InputOf<Calls<C>[K]>,
    options?: AskOptions<ItemOf<Calls<C>[K]>>,
  ): Promise<OutputOf<Calls<C>[K]>>;
  /** One try. Ends with the call, throws `unavailable` when the connection breaks. Leaving it ends the call. */
  items<K extends keyof Calls<C> & string>(
    method: K,
    input: InputOf<Calls<C>[K]>,
    signal: AbortSignal,
  ): AsyncGenerator<ItemOf<Calls<C>[K]>>;
}

const defaultRetry = { forMs: 5_000, firstMs: 50, maxMs: 1_000 };
const connectTimeoutMs = 5_000;
/** Shorter than a Node server's own, so that a connection is not used in the moment when it closes it. */
const keepAliveMs = 4_000;
const maxLongCalls = 4_096;
const maxTries = 100;

export function createCallClient<C extends CallContract>(
  contract: C,
  options: CallClientOptions,
): CallClient<C> {
  const { tokens, idleMs = 20_000, retry = defaultRetry } = options;
  const origin = new URL(options.url).origin;
  const common = {
    connect: { timeout: connectTimeoutMs },
    headersTimeout: idleMs,
    bodyTimeout: idleMs,
    keepAliveTimeout: keepAliveMs,
    pipelining: 1,
  };
  const short = new Pool(origin, { ...common, connections: options.maxConnections ?? 128 });
  // Whatever waits for minutes must not keep the others from their connections.
  const long = new Pool(origin, { ...common, connections: maxLongCalls });

  async function* attempt({ method, call, body }: Request, signal: AbortSignal) {
    const pool = call.timeoutMs === undefined ? long : short;
    const answer = await pool.request({
      path: `/calls/${contract.name}/${method}`,
      method: 'POST',
      headers: { authorization: `Bearer ${tokens.own()}`, 'content-type': 'application/json' },
      body,
      signal,
    });
    // Ending it early is an error to whoever listens, and to the process if nobody does.
    answer.body.on('error', () => undefined);
    try {
      return yield* answersOf(answer, { call, service: contract.name });
    } finally {
      answer.body.destroy();
    }
  }

  function requestOf(method: string, input: unknown): Request {
    const call = contract.calls[method];
    if (!call) throw new Error(`${contract.name} has no call ${method}`);
    // Callers may hand in objects that hold more than is asked for, which the other side would refuse.
    const body = JSON.stringify(call.input.parse(input));
    if (Buffer.byteLength(body) <= maxInputBytes) return { method, call, body };
    throw new TowlineError(
      'too_large',
      `this is larger than the ${maxInputBytes} bytes that a call may have`,
    );
  }

  function asError(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted) return signal.reason;
    if (error instanceof TowlineError) return error;
    const fault = faultOf(error);
    return new TowlineError('unavailable', `the ${contract.name} cannot be reached: ${fault.message}`, {
      cause: fault.cause ?? fault,
    });
  }

  async function once(request: Request, { signal, onItem }: AskOptions<unknown>): Promise<unknown> {
    const { timeoutMs } = request.call;
    const limit = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    const signals = [signal, limit].filter((each) => each !== undefined);
    const answers = attempt(request, AbortSignal.any(signals));
    try {
      let next = await answers.next();
      for (; !next.done; next = await answers.next()) onItem?.(next.value);
      return next.value;
    } catch (error) {
      if (!limit?.aborted) throw error;
      throw new CallFault(`no answer within ${timeoutMs} ms`, false, error);
    } finally {
      // Should a listener have thrown.
      await answers.return(undefined).catch(() => undefined);
    }
  }

  async function ask(method: string, input: unknown, asked: AskOptions<unknown> = {}): Promise<unknown> {
    const request = requestOf(method, input);
    let deadline = Date.now() + retry.forMs;
    for (let tries = 1; ; tries += 1) {
      const askedAt = Date.now();
      try {
        return await once(request, asked);
      } catch (error) {
        // A call that went well for longer than that, as a deploy that waits, has its whole time again.
        if (Date.now() - askedAt >= retry.forMs) deadline = Date.now() + retry.forMs;
        const isOver = asked.signal?.aborted || Date.now() >= deadline || tries >= maxTries;
        if (isOver || !mayAskAgain(request.call, error)) throw asError(error, asked.signal);
      }
      await delay(backoffMs(tries, retry), asked.signal);
    }
  }

  async function* items(method: string, input: unknown, signal: AbortSignal): AsyncGenerator<unknown> {
    try {
      yield* attempt(requestOf(method, input), signal);
    } catch (error) {
      throw asError(error, signal);
    }
  }

  return {
    ask: ask as CallClient<C>['ask'],
    items: items as CallClient<C>['items'],
    async [Symbol.asyncDispose]() {
      await Promise.all([short.destroy(), long.destroy()]);
    },
  };
}

interface Request {
  method: string;
  call: Call;
  body: string;
}

function mayAskAgain({ repeatable }: Call, error: unknown): boolean {
  if (error instanceof TowlineError) return repeatable && error.code === 'unavailable';
  return repeatable || faultOf(error).isUnsent;
}
