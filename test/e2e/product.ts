import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export const packageDir = fileURLToPath(new URL('../..', import.meta.url));

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Ready {
  origin: string;
  loginUrl: string;
  readyMs: number;
  gitOpsPath: string;
}

interface StartOptions {
  dataDir?: string;
  env?: Record<string, string>;
}

/** The real product in a process of its own, as `npm start` runs it, on a free port and a folder of its own. */
export class Product implements AsyncDisposable {
  readonly dataDir: string;
  ready!: Ready;
  /** Every line of standard output, parsed. */
  readonly events: Record<string, unknown>[] = [];
  stderr = '';
  #child!: ChildProcessByStdio<null, Readable, Readable>;
  readonly #env: Record<string, string>;
  #port = '0';
  readonly #ownsData: boolean;

  private constructor(options: StartOptions) {
    this.#ownsData = options.dataDir === undefined;
    this.dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'towline-e2e-'));
    this.#env = options.env ?? {};
  }

  static async start(options: StartOptions = {}): Promise<Product> {
    const product = new Product(options);
    await product.start();
    return product;
  }

  get pid(): number {
    assert.ok(this.#child.pid);
    return this.#child.pid;
  }

  get port(): number {
    return Number(new URL(this.ready.origin).port);
  }

  get token(): string {
    return readFileSync(join(this.dataDir, 'cli-token'), 'utf8').trim();
  }

  /** The first start takes a free port; later ones keep it, so that URLs stay. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [join(packageDir, 'local/start.js'), '--json'], {
      cwd: packageDir,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: this.dataDir,
        PORT: this.#port,
        TOWLINE_DATA: this.dataDir,
        TOWLINE_SAMPLES: 'false',
        TOWLINE_LOG_LEVEL: 'warn',
        ...this.#env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stderr.on('data', (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString()).slice(-100_000);
    });
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) =>
        reject(new Error(`the product ended with ${code} before it was ready:\n${this.stderr}`)),
      );
      createInterface({ input: child.stdout }).on('line', (line) => {
        const event = JSON.parse(line) as Record<string, unknown>;
        this.events.push(event);
        if (event['event'] !== 'ready') return;
        this.ready = event as unknown as Ready;
        this.#port = new URL(this.ready.origin).port;
        resolve();
      });
    });
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  /** As Ctrl+C; gives the exit code. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    const exited = once(this.#child, 'exit') as Promise<[number | null]>;
    this.#child.kill('SIGINT');
    return (await exited)[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    if (this.#ownsData) rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 3 });
  }

  /** A request to the platform's port. Node cannot look up *.localhost, so the host goes into the header. */
  request(
    path: string,
    options: {
      host?: string;
      method?: string;
      headers?: Record<string, string>;
      body?: string | Buffer;
    } = {},
  ): Promise<Answer> {
    const headers = { host: options.host ?? `localhost:${this.port}`, ...options.headers };
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port: this.port, path, method: options.method ?? 'GET', headers, agent: false },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks).toString(),
            }),
          );
        },
      );
      outgoing.on('error', reject);
      outgoing.end(options.body);
    });
  }

  /** Asks a function at its URL. */
  call(owner: string, path: string, options: Parameters<Product['request']>[1] = {}): Promise<Answer> {
    return this.request(path, { ...options, host: `${owner}.localhost:${this.port}` });
  }

  /** The platform API, as the operator of this machine unless another token is given. */
  async api<T>(method: string, path: string, body?: unknown, token = this.token): Promise<T> {
    const headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const options = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const answer = await this.request(path, options);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.body}`);
    return (answer.body === '' ? undefined : JSON.parse(answer.body)) as T;
  }

  /** A new owner with a token of its own. */
  async createOwner(slug: string): Promise<string> {
    await this.api('POST', '/api/v1/owners', { owner: slug });
    const { token } = await this.api<{ token: string }>('POST', `/api/v1/owners/${slug}/tokens`, {
      name: 'test',
      ttlDays: 1,
    });
    return token;
  }
}

/**
 * Waits until `probe` gives something, asking again shortly, and less often the longer it takes: who asks takes the
 * processor from whom it waits for. Fails after `withinMs` with what it was waiting for.
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
  withinMs = 60_000,
): Promise<T> {
  const start = performance.now();
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    const passed = performance.now() - start;
    if (passed > withinMs) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(25 + passed / 10, 250)));
  }
}
