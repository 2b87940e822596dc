import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Client, type Dispatcher } from 'undici';
import type { CatalogEntry } from '../../core/catalog.ts';
import { TowlineError } from '../../core/errors.ts';
import { hasBody, type OwnAnswer, sendAnswer } from '../answers.ts';
import { requestHeaders } from '../headers/request-headers.ts';
import { countStatus } from '../metrics.ts';
import { availability } from './availability.ts';
import { type ExchangeContext, type ExchangeParts, isGuarded } from './exchange-context.ts';
import { answerFor, isBrokenConnection, isDialFailure } from './failures.ts';
import { RequestBody } from './request-body.ts';
import { fieldsOf, ResponseRelay, type Trailers } from './response-relay.ts';
import { bytesReadBefore, type TargetPool } from './target-pools.ts';
import { acceptsHandshake, joinConnections } from './tunnel.ts';

/** RFC 9110 §9.2.2, of the methods that are let through. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
const dialPauseMs = 50;
const maxWakes = 2;
/** Several deploys may overtake one request; a target that stays in the catalog gets one repeat only. */
const maxRepeats = 3;

/** One request on its way: found, dialled, sent, answered. The handler that undici reports to. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #context: ExchangeContext;
  readonly #parts: ExchangeParts;
  readonly #headers: string[];
  readonly #hasBody: boolean;
  readonly #relay: ResponseRelay;
  #controller: Dispatcher.DispatchController | undefined;
  #target: TargetPool | undefined;
  #dialTimer: NodeJS.Timeout | undefined;
  #dialDeadline = 0;
  #waiting: AbortController | undefined;
  #tunnel: [Duplex, Duplex] | undefined;
  #wakes = 0;
  #sent = false;
  #repeats = 0;
  /** A byte of an answer has come. */
  #begun = false;
  /** Nothing more is sent to the client: the answer is complete, broken or given by the router itself. */
  #over = false;

  constructor(context: ExchangeContext, parts: ExchangeParts) {
    this.#context = context;
    this.#parts = parts;
    this.#hasBody = hasBody(parts.req);
    this.#relay = new ResponseRelay(context, parts, () => this.#break());
    const length = this.#hasBody ? parts.req.headers['content-length'] : undefined;
    const empty = parts.req.headers['content-length'] === '0' ? '0' : undefined;
    this.#headers = requestHeaders(parts.req, {
      address: parts.address,
      origin: parts.origin,
      requestId: parts.requestId,
      cookies: context.cookies,
      guarded: isGuarded(parts),
      contentLength: length ?? empty,
    });
  }

  start(): void {
    this.#context.active.add(this);
    this.#context.metrics.inFlight += 1;
    this.#parts.res.on('close', this.#onClientClosed);
    this.touch();
    this.#proceed();
  }

  /** Says that the function is in use. */
  touch(): void {
    this.#context.catalog.touch(this.#parts.address.owner, this.#parts.address.functionName);
  }

  /** Breaks it off, for a shutdown that doesn't wait. */
  destroy(): void {
    this.#break();
    for (const connection of this.#tunnel ?? []) connection.destroy();
  }

  #proceed(failed?: string): void {
    if (this.#over) return;
    const now = availability(this.#parts, this.#context);
    if (now.kind === 'away') this.#answer(now.answer);
    else if (now.kind === 'asleep') void this.#hold();
    else this.#send(now.entry, failed);
  }

  #send(entry: CatalogEntry, failed: string | undefined): void {
    const { pools, config } = this.#context;
    const target = pools.pick(entry, failed);
    if (!target || target.inFlight >= config.maxInFlight) {
      const detail = `${this.#name()} has ${config.maxInFlight} requests in flight already`;
      this.#answer({ status: 503, detail, retryAfter: 1 });
      return;
    }
    this.#dispatch(target);
  }

  async #hold(): Promise<void> {
    const { metrics, waking } = this.#context;
    this.#wakes += 1;
    if (this.#wakes > maxWakes) {
      this.#answer({ status: 503, detail: `${this.#name()} fell asleep again`, retryAfter: 1 });
      return;
    }
    metrics.wakes += 1;
    this.#waiting = new AbortController();
    try {
      const { owner, functionName } = this.#parts.address;
      await waking.wake(owner, functionName, this.#waiting.signal);
      this.#proceed();
    } catch (error) {
      this.#answer(this.#wakeFailure(error));
    }
  }

  #wakeFailure(error: unknown): OwnAnswer {
    if (error instanceof TowlineError) {
      return { status: error.code === 'timeout' ? 504 : 503, detail: error.message, retryAfter: 2 };
    }
    if (!this.#over) this.#context.logger.error({ err: error, function: this.#name() }, 'waking failed');
    return { status: 503, detail: `${this.#name()} could not be woken up`, retryAfter: 5 };
  }

  #dispatch(target: TargetPool): void {
    const { req, address, upgrade } = this.#parts;
    this.#target = target;
    this.#sent = false;
    target.inFlight += 1;
    const options: Dispatcher.DispatchOptions = {
      path: address.path,
      method: req.method ?? 'GET',
      headers: withHost(this.#headers, target.host),
      body: this.#hasBody ? this.#newBody() : null,
      upgrade: upgrade ? 'websocket' : null,
    };
    if (!upgrade) {
      target.dispatcher.dispatch(options, this);
      return;
    }
    // A connection of its own: it leaves HTTP for good, and each half of it may end alone.
    const { connectTimeoutMs, headersTimeoutMs, maxHeaderBytes } = this.#context.config;
    const client = new Client(target.origin, {
      connect: { timeout: connectTimeoutMs, allowHalfOpen: true },
      headersTimeout: headersTimeoutMs,
      bodyTimeout: 0,
      maxHeaderSize: maxHeaderBytes,
      allowH2: false,
    });
    client.dispatch(options, this);
    client.close().catch(() => {});
  }

  #newBody(): RequestBody {
    const { req, res } = this.#parts;
    const { bodyIdleTimeoutMs, maxBodyBytes } = this.#context.config;
    const expects = req.headers.expect !== undefined;
    return new RequestBody(
      req,
      { bodyIdleTimeoutMs, maxBodyBytes },
      {
        onWanted: () => {
          if (expects && !this.#over && !res.headersSent) res.writeContinue();
        },
        onIdle: () => {
          const detail = `the request body stopped for ${bodyIdleTimeoutMs} ms; the router gave up on it`;
          this.#giveUp({ status: 408, detail, close: true });
        },
        onTooLarge: () => {
          const detail = `the request body is larger than ${maxBodyBytes} bytes`;
          this.#giveUp({ status: 413, detail, close: true });
        },
      },
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#sent = true;
    this.#controller = controller;
    if (this.#over) controller.abort(new Error('the client is gone'));
  }

  onResponseStarted(): void {
    this.#begun = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (this.#over) return;
    const raw = fieldsOf(controller.rawHeaders);
    if (status < 200) {
      if (status !== 101) this.#relay.information(status, raw);
      return;
    }
    // A status that no client knows how to read; undici lets it through.
    if (status > 599) throw new Error(`status ${status}`);
    this.#relay.head(status, raw, this.#wakes > 0);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#over) this.#relay.data(controller, chunk);
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: Trailers): void {
    this.#release();
    if (this.#over) return;
    this.#over = true;
    this.#relay.end(trailers);
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    _status: number,
    headers: Parameters<NonNullable<Dispatcher.DispatchHandler['onRequestUpgrade']>>[2],
    upstream: Duplex,
  ): void {
    const { req, res, upgrade } = this.#parts;
    upstream.on('error', () => {});
    if (this.#over || !upgrade || !acceptsHandshake(req.headers['sec-websocket-key'], headers)) {
      upstream.destroy();
      this.#release();
      const detail = `${this.#name()} did not answer the WebSocket handshake as the protocol asks`;
      this.#answer({ status: 502, detail, close: true });
      return;
    }
    const fields = this.#relay.fields(fieldsOf(controller.rawHeaders), 101, false);
    let head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
    for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
    const { socket, early } = upgrade;
    res.off('close', this.#onClientClosed);
    res.detachSocket(socket as Parameters<ServerResponse['detachSocket']>[0]);
    socket.write(`${head}\r\n`, 'latin1');
    this.#join(socket, early.take(), upstream);
  }

  #join(socket: Duplex, early: readonly Buffer[], upstream: Duplex): void {
    const { metrics, config, active } = this.#context;
    countStatus(metrics, 101);
    metrics.tunnelsOpened += 1;
    metrics.tunnelsOpen += 1;
    this.#over = true;
    this.#tunnel = [socket, upstream];
    for (const chunk of early) upstream.write(chunk);
    joinConnections(socket, upstream, config.tunnelIdleTimeoutMs, () => {
      metrics.tunnelsOpen -= 1;
      metrics.inFlight -= 1;
      this.#release();
      active.delete(this);
      this.touch();
    });
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    const failed = this.#target?.origin;
    this.#release();
    if (this.#over) return;
    this.#context.logger.debug({ err: error, function: this.#name(), target: failed }, 'the target failed');
    if (this.#parts.res.headersSent) {
      this.#context.metrics.brokenAnswers += 1;
      this.#break();
    } else if (this.#sent && this.#mayRepeat(error, failed)) {
      this.#repeats += 1;
      this.#context.metrics.staleRetries += 1;
      this.#proceed();
    } else if (this.#sent || !isDialFailure(error) || !this.#redial(failed)) {
      this.#answer(answerFor(error, this.#name(), this.#context.config));
    }
  }

  /** Nothing was sent, so every method may be dialled again: at once on a target that is new, else after a pause. */
  #redial(failed: string | undefined): boolean {
    const { config, catalog, metrics } = this.#context;
    const { owner, functionName } = this.#parts.address;
    const now = Date.now();
    const first = this.#dialDeadline === 0;
    if (first) this.#dialDeadline = now + config.connectTimeoutMs;
    if (now >= this.#dialDeadline) return false;
    metrics.dialRetries += 1;
    const entry = catalog.lookup(owner, functionName);
    const elsewhere = entry?.targets.some((target) => target.origin !== failed) ?? true;
    if (first && elsewhere) this.#proceed(failed);
    else this.#dialTimer = setTimeout(() => this.#proceed(failed), dialPauseMs);
    return true;
  }

  /**
   * The connection closed without one byte of an answer, and that says nothing about the request: it was an idle
   * one, used again, or the target is being drained. POST and bodies are never sent twice.
   */
  #mayRepeat(error: Error, failed: string | undefined): boolean {
    const { method = '' } = this.#parts.req;
    if (this.#begun || this.#hasBody || !idempotent.has(method)) return false;
    if (!isBrokenConnection(error)) return false;
    const { owner, functionName } = this.#parts.address;
    const entry = this.#context.catalog.lookup(owner, functionName);
    const dropped = !entry?.targets.some((target) => target.origin === failed);
    if (dropped) return this.#repeats < maxRepeats;
    return this.#repeats === 0 && bytesReadBefore(error) > 0;
  }

  #answer(answer: OwnAnswer): void {
    if (this.#over) return;
    this.#over = true;
    const { req, res, requestId } = this.#parts;
    this.#context.metrics.ownAnswers += 1;
    countStatus(this.#context.metrics, answer.status);
    sendAnswer(req, res, answer, requestId);
  }

  /** Stops the target's work; the client is told if it can be. */
  #giveUp(answer: OwnAnswer): void {
    if (this.#parts.res.headersSent) this.#break();
    else this.#answer(answer);
    this.#controller?.abort(new Error(answer.detail));
  }

  /** Never a clean end: the client must see that the answer is not whole. */
  #break(): void {
    this.#over = true;
    this.#parts.res.destroy();
    this.#controller?.abort(new Error('the exchange was broken off'));
  }

  #release(): void {
    if (!this.#target) return;
    this.#target.inFlight -= 1;
    this.#target = undefined;
  }

  readonly #onClientClosed = (): void => {
    const { metrics, active } = this.#context;
    this.#relay.stop();
    clearTimeout(this.#dialTimer);
    active.delete(this);
    metrics.inFlight -= 1;
    this.touch();
    if (this.#over) return;
    this.#over = true;
    metrics.clientAborts += 1;
    const reason = new Error('the client is gone');
    this.#waiting?.abort(reason);
    this.#controller?.abort(reason);
  };

  #name(): string {
    return `${this.#parts.address.owner}/${this.#parts.address.functionName}`;
  }
}

/** `Host` is always the first field. What the visitor said stays in `X-Forwarded-Host`. */
function withHost(headers: string[], host: string | undefined): string[] {
  return host === undefined ? headers : ['Host', host, ...headers.slice(2)];
}
