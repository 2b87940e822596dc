import { STATUS_CODES } from 'node:http';
import type { KubeConfig } from '@kubernetes/client-node';
import { type Dispatcher, request as send } from 'undici';
import { type ClusterAccess, kubeconfigAccess } from './cluster-access.ts';

/** As every object of the Kubernetes API begins. */
export interface ClusterObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    generation?: number;
    creationTimestamp?: string;
    deletionTimestamp?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    managedFields?: FieldsOf[];
  };
}

/** Who set which fields of an object last, as the API server keeps it. */
export interface FieldsOf {
  manager?: string;
  operation?: string;
  subresource?: string;
  time?: string;
  fieldsV1?: Record<string, unknown>;
}

/** What the API server said instead of doing it; `status` is HTTP's, `reason` Kubernetes' own word (`NotFound`, `Expired`). */
export class ClusterError extends Error {
  override readonly name = 'ClusterError';
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

export type Query = Record<string, string | number | boolean | undefined>;

export interface ClusterRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | undefined;
  query?: Query | undefined;
  body?: unknown;
  /** Of the body. `apply` is server-side apply and needs the query `fieldManager`. */
  patch?: 'merge' | 'apply' | undefined;
  signal?: AbortSignal | undefined;
  /** Milliseconds. Default: 30,000. */
  timeoutMs?: number | undefined;
}

export interface WatchRequest {
  query: Query;
  /** Milliseconds without a byte after which the connection is taken for dead. */
  idleMs: number;
  signal: AbortSignal;
  /** The server has accepted; lines may be long in coming. */
  onOpen?: (() => void) | undefined;
}

/** The API server, asked as one user: credentials are read again for each request, so a rotated token is used. */
export interface ClusterApi {
  /** Throws `ClusterError` for an answer that is no success, and what undici throws if there is none. */
  request<T>(path: string, request?: ClusterRequest): Promise<T>;
  /** One parsed line after another, until the server ends it. Throws if nothing comes for `idleMs`. */
  lines(path: string, watch: WatchRequest): AsyncGenerator<unknown>;
}

const defaultTimeoutMs = 30_000;
/** etcd takes objects up to 1.5 MB. */
const maxLine = 8 * 1024 * 1024;
const maxErrorText = 4096;
const contentTypes = {
  merge: 'application/merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

export function createClusterApi(config: KubeConfig | ClusterAccess): ClusterApi {
  const access = 'credentials' in config ? config : kubeconfigAccess(config);

  /** Not `fetch`: what its streams keep for each open watch is a multiple of this. */
  async function ask(path: string, request: ClusterRequest & { signal: AbortSignal; bodyTimeout?: number }) {
    const url = addressOf(access.server, path, request.query ?? {});
    const { headers, dispatcher } = await access.credentials();
    const { statusCode, body } = await send(url, {
      method: request.method ?? 'GET',
      headers: { ...headers, accept: 'application/json', ...contentType(request) },
      body: request.body === undefined ? null : JSON.stringify(request.body),
      ...(dispatcher ? { dispatcher } : {}),
      ...(request.bodyTimeout === undefined ? {} : { bodyTimeout: request.bodyTimeout }),
      signal: request.signal,
    });
    if (statusCode < 200 || statusCode > 299) throw await errorOf(statusCode, body);
    return body;
  }

  return {
    async request<T>(path: string, request: ClusterRequest = {}) {
      const limit = AbortSignal.timeout(request.timeoutMs ?? defaultTimeoutMs);
      const signal = request.signal ? AbortSignal.any([limit, request.signal]) : limit;
      const body = await ask(path, { ...request, signal });
      return (await body.json()) as T;
    },
    async *lines(path, { query, idleMs, signal, onOpen }) {
      signal.throwIfAborted();
      const idle = new AbortController();
      const timer = setTimeout(() => idle.abort(new Error(`nothing came for ${idleMs} ms`)), idleMs);
      const stop = () => idle.abort(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      try {
        // Silence is the timer's matter.
        const body = await ask(path, { query, signal: idle.signal, bodyTimeout: 0 });
        onOpen?.();
        for await (const line of linesOf(body, () => timer.refresh())) yield JSON.parse(line);
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        // Ends the connection if the reader has had enough.
        idle.abort();
      }
    },
  };
}

function addressOf(server: string, path: string, query: Query): URL {
  const url = new URL(server + path);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return url;
}

function contentType({ body, patch }: ClusterRequest): Record<string, string> {
  if (body === undefined) return {};
  return { 'content-type': patch ? contentTypes[patch] : 'application/json' };
}

async function* linesOf(body: AsyncIterable<Uint8Array>, onData: () => void): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    onData();
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLine) throw new Error('a line of the watch is too long');
    for (const line of lines) if (line !== '') yield line;
  }
}

async function errorOf(status: number, body: Dispatcher.ResponseData['body']): Promise<ClusterError> {
  const text = (await body.text()).slice(0, maxErrorText);
  try {
    const { reason, message } = JSON.parse(text) as { reason?: string; message?: string };
    return new ClusterError(status, reason ?? '', message ?? text);
  } catch {
    return new ClusterError(status, '', text.trim() || (STATUS_CODES[status] ?? ''));
  }
}
