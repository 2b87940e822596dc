import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

export interface RequestBodyHooks {
  /** The target is connected and wants the body: the moment to say 100 Continue. */
  onWanted: () => void;
  /** The client sent nothing for `idleMs` though it was asked to. */
  onIdle: () => void;
  onTooLarge: () => void;
}

/**
 * A request's body for one dispatch. Nothing is read before the target is connected, so a refused dial leaves
 * it whole for the next; and that the target stops reading doesn't tear down the client's connection.
 */
export class RequestBody extends Readable {
  readonly #req: IncomingMessage;
  readonly #hooks: RequestBodyHooks;
  readonly #idleMs: number;
  readonly #maxBytes: number;
  #bytes = 0;
  #wanted = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(
    req: IncomingMessage,
    limits: { bodyIdleTimeoutMs: number; maxBodyBytes: number },
    hooks: RequestBodyHooks,
  ) {
    super();
    this.#req = req;
    this.#hooks = hooks;
    this.#idleMs = limits.bodyIdleTimeoutMs;
    this.#maxBytes = limits.maxBodyBytes;
    // undici stops listening when it is done with the request; a late error must not be thrown.
    this.on('error', () => {});
  }

  /** Whether any of it is gone from the request. */
  get wanted(): boolean {
    return this.#wanted;
  }

  override _read(): void {
    if (this.#idleMs > 0) this.#idle ??= setTimeout(() => this.#hooks.onIdle(), this.#idleMs);
    if (this.#wanted) {
      this.#req.resume();
      return;
    }
    this.#wanted = true;
    this.#hooks.onWanted();
    this.#req.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onClose);
    this.#req.on('error', this.#onClose);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#stopIdle();
    this.#req.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    this.#req.off('error', this.#onClose);
    if (!this.#req.complete) this.#req.pause();
    callback(error);
  }

  #stopIdle(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    if (this.#maxBytes > 0 && this.#bytes > this.#maxBytes) {
      this.#hooks.onTooLarge();
      return;
    }
    if (this.push(chunk)) {
      this.#idle?.refresh();
      return;
    }
    this.#stopIdle();
    this.#req.pause();
  };

  readonly #onEnd = (): void => {
    this.#stopIdle();
    this.push(null);
  };

  readonly #onClose = (): void => {
    if (!this.#req.readableEnded) this.destroy(new Error('the client did not finish its request body'));
  };
}
