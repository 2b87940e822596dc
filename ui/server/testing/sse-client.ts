import { type IncomingMessage, request } from 'node:http';

export interface Received {
  id: string | undefined;
  name: string;
  data: unknown;
}

/** A reader of server-sent events for tests, as simple as the format allows. */
export class SseClient implements Disposable {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** The id that a browser would send when it comes back. */
  lastId = '';
  comments = 0;
  readonly received: Received[] = [];
  readonly ended: Promise<void>;
  readonly #response: IncomingMessage;
  #rest = '';
  #wake: () => void = () => undefined;

  static open(url: string, headers: Record<string, string>): Promise<SseClient> {
    return new Promise((resolve, reject) => {
      const outgoing = request(url, { headers, agent: false }, (response) =>
        resolve(new SseClient(response)),
      );
      outgoing.on('error', reject);
      outgoing.end();
    });
  }

  constructor(response: IncomingMessage) {
    this.#response = response;
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => this.#take(chunk));
    response.on('error', () => undefined);
    this.ended = new Promise((resolve) => response.once('close', resolve));
    void this.ended.then(() => this.#wake());
  }

  /** Resolves when `condition` holds; rejects if the stream ends first. */
  async until(condition: (received: readonly Received[]) => boolean): Promise<readonly Received[]> {
    while (!condition(this.received)) {
      if (this.#response.closed) throw new Error(`the stream ended with ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.received;
  }

  pause(): void {
    this.#response.pause();
  }

  [Symbol.dispose](): void {
    this.#response.destroy();
  }

  #take(chunk: string): void {
    const blocks = (this.#rest + chunk).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    for (const block of blocks) this.#block(block);
    this.#wake();
  }

  #block(block: string): void {
    const fields = new Map(block.split('\n').map((line) => line.split(/: ?(.*)/s, 2) as [string, string]));
    const id = fields.get('id');
    if (id !== undefined) this.lastId = id;
    if (fields.has('')) this.comments++;
    const data = fields.get('data');
    if (data !== undefined)
      this.received.push({ id, name: fields.get('event') ?? 'message', data: JSON.parse(data) });
  }
}
