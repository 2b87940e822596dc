import type { Dispatcher } from 'undici';
import { hasBody } from '../answers.ts';
import { withPrivateCaching } from '../headers/private-caching.ts';
import { fieldValue, type RawFields } from '../headers/raw-fields.ts';
import { responseHeaders, responseTrailers } from '../headers/response-headers.ts';
import { countStatus } from '../metrics.ts';
import { type ExchangeContext, type ExchangeParts, isGuarded } from './exchange-context.ts';

export type Trailers = Record<string, string | string[] | undefined>;

/** undici gives header bytes; HTTP's text is Latin-1. */
export function fieldsOf(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return [];
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')));
}

/** Hands one answer to the client as it comes: nothing is kept back, and a slow client slows the target. */
export class ResponseRelay {
  readonly #context: ExchangeContext;
  readonly #parts: ExchangeParts;
  readonly #onSilence: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  #idle: NodeJS.Timeout | undefined;
  #trailers = false;
  #timed = false;

  /** `onSilence`: either side has stopped in the middle of the body. */
  constructor(context: ExchangeContext, parts: ExchangeParts, onSilence: () => void) {
    this.#context = context;
    this.#parts = parts;
    this.#onSilence = onSilence;
  }

  /** The fields for the client. */
  fields(raw: RawFields, status: number, trailers: boolean): string[] {
    const { req, address, requestId } = this.#parts;
    const { cookies, metrics } = this.#context;
    const fields = responseHeaders(raw, {
      onPlatformOrigin: address.onPlatformOrigin,
      host: hostName(req.headers.host),
      requestId,
      cookies,
      trailers,
      contentLength: status !== 204 && status !== 101,
      onCookieDropped: () => {
        metrics.cookiesDropped += 1;
      },
    });
    return isGuarded(this.#parts) ? withPrivateCaching(fields) : fields;
  }

  /** 102 and 103, which HTTP/1.0 doesn't know. */
  information(status: number, raw: RawFields): void {
    const { req, res, upgrade } = this.#parts;
    if (upgrade || req.httpVersion !== '1.1') return;
    const link = fieldValue(raw, 'link');
    res.writeInformation(status, link === undefined ? [] : ['Link', link]);
  }

  head(status: number, raw: RawFields, woken: boolean): void {
    const { req, res } = this.#parts;
    const bodiless = req.method === 'HEAD' || status === 204 || status === 304;
    // Node sends trailers, and a Trailer field, in a chunked answer only.
    this.#trailers =
      !bodiless && req.httpVersion === '1.1' && fieldValue(raw, 'content-length') === undefined;
    this.#timed = !fieldValue(raw, 'content-type')?.toLowerCase().startsWith('text/event-stream');
    const fields = this.fields(raw, status, this.#trailers);
    if (woken) fields.push('X-Cold-Start', 'true');
    // The answer came before the request's end: what is left of the request must not be taken for the next one.
    if (hasBody(req) && !req.complete) fields.push('Connection', 'close');
    countStatus(this.#context.metrics, status);
    res.writeHead(status, fields);
    process.nextTick(flushHead, this);
  }

  /** Headers go out with the first bytes of the body if those are there already, else at once. */
  flushHead(): void {
    const { res } = this.#parts;
    if (res.writableEnded || res.destroyed) return;
    res.flushHeaders();
    const { bodyIdleTimeoutMs } = this.#context.config;
    if (this.#timed && bodyIdleTimeoutMs > 0) this.#idle = setTimeout(this.#onSilence, bodyIdleTimeoutMs);
  }

  data(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { res } = this.#parts;
    this.#idle?.refresh();
    if (res.write(chunk)) return;
    controller.pause();
    if (this.#controller === undefined) res.on('drain', this.#onDrain);
    this.#controller = controller;
  }

  end(trailers: Trailers): void {
    const { res } = this.#parts;
    this.stop();
    const kept = this.#trailers ? responseTrailers(trailers) : [];
    if (kept.length > 0) res.addTrailers(kept);
    res.end();
  }

  /** Stops timing. */
  stop(): void {
    clearTimeout(this.#idle);
  }

  readonly #onDrain = (): void => {
    this.#idle?.refresh();
    this.#controller?.resume();
  };
}

function flushHead(relay: ResponseRelay): void {
  relay.flushHead();
}

function hostName(header: string | undefined): string {
  return (header ?? '').toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '');
}
