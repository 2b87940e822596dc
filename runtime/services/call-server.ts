import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Call, CallContract } from '../../core/calls/call.ts';
import { TowlineError } from '../../core/errors.ts';
import { httpStatus, readBody } from '../http-service.ts';
import type { Logger } from '../logger.ts';
import { type AnswerStream, openAnswer } from './answer-stream.ts';
import { checkedInput } from './checked-input.ts';
import type { ServiceTokens } from './service-tokens.ts';
import { callPath, defaultHeartbeatMs, maxInputBytes, parseInput, toWire } from './wire.ts';

/** What a method gets besides its input. */
export interface CallTools<Item> {
  /** Aborts when the caller is gone or the service stops. */
  signal: AbortSignal;
  /** Resolves once there is room for more; rejects when the caller is gone. */
  tell(item: Item): Promise<void>;
}

type ItemOf<C extends Call> = C['item'] extends z.ZodType ? z.output<C['item']> : never;

/** The methods behind a contract. */
export type Implementation<C extends CallContract> = {
  [K in keyof C['calls']]: (
    input: z.output<C['calls'][K]['input']>,
    tools: CallTools<ItemOf<C['calls'][K]>>,
  ) => Promise<z.output<C['calls'][K]['output']>>;
};

export interface CallServerOptions {
  tokens: ServiceTokens;
  logger: Logger;
  /** Aborts when the program is asked to end: endless calls end at once, others after `graceMs`, new ones are refused. */
  signal?: AbortSignal | undefined;
  /** Milliseconds between two signs of life. */
  heartbeatMs?: number | undefined;
  graceMs?: number | undefined;
  /** Milliseconds that a request's body may take. */
  bodyTimeoutMs?: number | undefined;
  maxInputBytes?: number | undefined;
  /** Calls at once; more are refused. */
  maxCalls?: number | undefined;
}

type Method = (input: unknown, tools: CallTools<unknown>) => Promise<unknown>;

interface Found {
  name: string;
  call: Call;
  method: Method;
}

const bearer = /^Bearer ([\x21-\x7e]{1,512})$/i;

/** Answers the calls of one contract. Who calls is checked before anything else is looked at. */
export function createCallServer<C extends CallContract>(
  contract: C,
  implementation: Implementation<C>,
  options: CallServerOptions,
): RequestListener {
  const { tokens, logger, heartbeatMs = defaultHeartbeatMs, bodyTimeoutMs = 30_000 } = options;
  const { graceMs = 5_000, maxCalls = 20_000 } = options;
  const inputLimit = options.maxInputBytes ?? maxInputBytes;
  const methods = new Map<string, Found>(
    Object.entries(contract.calls).map(([name, call]) => [
      name,
      { name: `${contract.name}/${name}`, call, method: implementation[name] as Method },
    ]),
  );
  const endlessEnd = new AbortController();
  const everythingEnds = new AbortController();
  const stopped = new TowlineError('unavailable', `the ${contract.name} is stopping`);
  let running = 0;
  options.signal?.addEventListener('abort', stop, { once: true });
  if (options.signal?.aborted) stop();

  function stop(): void {
    endlessEnd.abort(stopped);
    setTimeout(() => everythingEnds.abort(stopped), graceMs).unref();
  }

  /** Throws `unauthenticated`, `not_found`, `bad_request`, `unavailable`. */
  function find(request: IncomingMessage): Found {
    const [, contractName = '', methodName = ''] = callPath.exec(request.url ?? '') ?? [];
    if (!isAccepted(request.headers.authorization, `${contractName}/${methodName}`)) {
      throw new TowlineError('unauthenticated', 'the service token is not accepted for this call');
    }
    const found = contractName === contract.name ? methods.get(methodName) : undefined;
    if (!found) throw new TowlineError('not_found', 'there is no such call');
    if (request.method !== 'POST') throw new TowlineError('bad_request', 'calls are made with POST');
    if (endlessEnd.signal.aborted) throw stopped;
    if (running >= maxCalls) throw new TowlineError('unavailable', 'too many calls are open');
    return found;
  }

  function isAccepted(authorization: string | undefined, call: string): boolean {
    const token = bearer.exec(authorization ?? '')?.[1];
    return token !== undefined && tokens.accepts(token, call);
  }

  async function inputOf(request: IncomingMessage, { call }: Found): Promise<unknown> {
    if (Number(request.headers['content-length']) > inputLimit) throw tooLarge();
    const slow = setTimeout(() => request.destroy(), bodyTimeoutMs);
    try {
      const bytes = await readBody(request.iterator({ destroyOnReturn: false }), inputLimit);
      return checkedInput(call.input, parseInput(bytes));
    } finally {
      clearTimeout(slow);
    }
  }

  function tooLarge(): TowlineError {
    return new TowlineError('too_large', `the input is larger than ${inputLimit} bytes`);
  }

  async function run(found: Found, input: unknown, response: ServerResponse): Promise<void> {
    const ends = found.call.endless ? endlessEnd.signal : everythingEnds.signal;
    const answer = openAnswer(response, heartbeatMs);
    const signal = AbortSignal.any([answer.gone, ends]);
    try {
      const value = await found.method(input, { signal, tell: answer.tell });
      answer.end({ type: 'result', value }, 200);
    } catch (error) {
      tellError(answer, found, error);
    }
  }

  function tellError(answer: AnswerStream, { name }: Found, error: unknown): void {
    if (answer.gone.aborted) return;
    const requestId = randomUUID();
    const wire = toWire(error);
    if (wire.code === 'internal') logger.error({ err: error, call: name, requestId }, 'a call failed');
    answer.end({ type: 'error', error: wire }, httpStatus(wire.code));
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let found: Found;
    let input: unknown;
    try {
      found = find(request);
      input = await inputOf(request, found);
    } catch (error) {
      refuse(request, response, error);
      return;
    }
    running += 1;
    try {
      await run(found, input, response);
    } finally {
      running -= 1;
    }
  }

  /** What is left of the body is not waited for. */
  function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (request.destroyed && !request.complete) return void response.destroy();
    const wire = toWire(error);
    logger.warn({ code: wire.code, path: request.url?.slice(0, 200) }, `a call was refused: ${wire.message}`);
    response.setHeader('connection', 'close');
    const answer = openAnswer(response, heartbeatMs);
    answer.end({ type: 'refused', error: wire }, httpStatus(wire.code));
  }

  return (request, response) => {
    serve(request, response).catch((err: unknown) => {
      logger.error({ err }, 'a call could not be answered');
      response.destroy();
    });
  };
}
