import type { Problem } from '../../../../core/api.ts';
import { pagePaths } from '../../../../core/paths.ts';

/** What the platform (or the network) said instead of an answer, fit to be shown. */
export class ApiError extends Error {
  /** 0: no answer at all. */
  readonly status: number;
  readonly problem: Partial<Problem>;

  constructor(status: number, problem: Partial<Problem>) {
    super(problem.detail ?? problem.title ?? `the platform answered ${status}`);
    this.name = 'ApiError';
    this.status = status;
    this.problem = problem;
  }
}

const timeoutMs = 30_000;

async function problemOf(response: Response): Promise<Partial<Problem>> {
  try {
    const body: unknown = await response.json();
    return typeof body === 'object' && body !== null ? (body as Partial<Problem>) : {};
  } catch {
    const requestId = response.headers.get('x-request-id');
    return requestId === null ? {} : { requestId };
  }
}

/** Where a person without a session goes, and comes back from. */
export function loginAddress(from: { pathname: string; search: string }): string {
  return `${pagePaths.login()}?${new URLSearchParams({ next: from.pathname + from.search })}`;
}

function noAnswer(error: unknown, signal: AbortSignal | undefined): never {
  if (signal?.aborted) throw error;
  throw new ApiError(0, {
    title: 'No answer',
    detail: 'Towline does not answer.',
    hint: 'Check that it is still running and that you are online; then try again.',
  });
}

async function request(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json' };
  const init: RequestInit = { method, headers, credentials: 'same-origin' };
  const limit = AbortSignal.timeout(timeoutMs);
  init.signal = signal ? AbortSignal.any([signal, limit]) : limit;
  if (body !== undefined) {
    headers['content-type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  const response = await fetch(path, init).catch((error: unknown) => noAnswer(error, signal));
  if (response.ok) return response;
  if (response.status === 401) location.assign(loginAddress(location));
  throw new ApiError(response.status, await problemOf(response));
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await request('GET', path, undefined, signal);
  return (await response.json()) as T;
}

/** `undefined` when the answer has no body. */
export async function sendJson<T>(method: 'POST' | 'DELETE', path: string, body?: unknown): Promise<T> {
  const response = await request(method, path, body);
  const text = await response.text();
  return (text === '' ? undefined : JSON.parse(text)) as T;
}
