import { Commits, Deployments, Environments } from '@gitbeaker/rest';
import { readBody } from '../../runtime/http-service.ts';
import type { ReportOutcome } from '../../runtime/outbox/outbox.ts';
import { type ForgeRefusal, outcomeOf } from '../../runtime/outbox/outcome-of-answer.ts';
import type { StatusReport } from './status-report.ts';

export interface GitLabReporterConfig {
  /** `https://gitlab.com`, or an installation of one's own: the only host that a token goes to. */
  baseUrl: string;
  /** With the scope `api`, for a project by its full path; `undefined`: nothing can be told there. */
  token: (path: string) => Promise<string | undefined>;
  now?: (() => number) | undefined;
  timeoutMs?: number | undefined;
}

/** A report's key if it is for GitLab. */
export const gitLabKey = (report: StatusReport, key: string): string | null =>
  report.scm === 'gitlab' && /^\d{1,16}$/.test(report.repository.id) ? key : null;

type RequesterFn = NonNullable<NonNullable<ConstructorParameters<typeof Commits>[0]>['requesterFn']>;
type Requester = ReturnType<RequesterFn>;

const maxBytes = 1_000_000;
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const snakeKeys = (value: object) =>
  Object.fromEntries(Object.entries(value).map(([key, each]) => [snake(key), each]));

class GitLabRefusal extends Error {
  readonly refusal: ForgeRefusal;

  constructor(refusal: ForgeRefusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

async function textOf(response: Response): Promise<string> {
  const stream = response.body as unknown as AsyncIterable<Buffer> | null;
  return stream ? (await readBody(stream, maxBytes)).toString('utf8') : '';
}

function messageOf(text: string): string {
  try {
    const body = JSON.parse(text) as { message?: unknown; error?: unknown };
    const told = body.message ?? body.error ?? '';
    return typeof told === 'string' ? told : JSON.stringify(told);
  } catch {
    return text.slice(0, 200);
  }
}

interface Call {
  body?: object | undefined;
  searchParams?: object | undefined;
}

function locate(url: string, endpoint: string, searchParams: object = {}): URL {
  const target = new URL(`${url.replace(/\/+$/, '')}/${endpoint}`);
  for (const [key, value] of Object.entries(snakeKeys(searchParams))) {
    if (value !== undefined) target.searchParams.set(key, String(value));
  }
  return target;
}

async function receive(response: Response) {
  const text = await textOf(response);
  if (!response.ok) {
    const header = (name: string) => response.headers.get(name) ?? undefined;
    throw new GitLabRefusal({ status: response.status, message: messageOf(text), header });
  }
  const headers = Object.fromEntries(response.headers);
  return { body: text === '' ? null : JSON.parse(text), headers, status: response.status };
}

/**
 * What carries gitbeaker's requests: its own one waits and tries again by itself, and hides the headers that say until
 * when. Redirects are errors, since a token must not go where an answer points.
 */
function createTransport(timeoutMs: number, signal: AbortSignal): RequesterFn {
  return ({ url, authHeaders }) => {
    async function send(method: string, endpoint: string, { body, searchParams }: Call = {}) {
      const headers: Record<string, string> = { accept: 'application/json' };
      for (const [name, value] of Object.entries(authHeaders)) headers[name] = await value();
      const content = body && { body: JSON.stringify(snakeKeys(body)) };
      if (content) headers['content-type'] = 'application/json';
      const response = await fetch(locate(url, endpoint, searchParams), {
        ...{ method, headers, ...content },
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      return receive(response);
    }
    const by = (method: string) => (endpoint: string, call?: Call) => send(method, endpoint, call);
    return {
      get: by('GET'),
      post: by('POST'),
      put: by('PUT'),
      patch: by('PATCH'),
      delete: by('DELETE'),
    } as Requester;
  };
}

export interface GitLabApi {
  commits: Commits;
  deployments: Deployments;
  environments: Environments;
}

/** Asks GitLab with the project's token; `act` makes the requests. */
export async function onGitLab(
  config: GitLabReporterConfig,
  report: StatusReport,
  signal: AbortSignal,
  act: (api: GitLabApi) => Promise<void>,
): Promise<ReportOutcome> {
  const { baseUrl, now = Date.now, timeoutMs = 15_000 } = config;
  const { path } = report.repository;
  let token: string | undefined;
  try {
    token = await config.token(path);
  } catch {
    // Whatever is wrong with it, it is this owner's token; nothing of it is for the log.
    return { type: 'later', reason: `the token for ${path} cannot be read`, holds: 'owner' };
  }
  if (token === undefined) return { type: 'refused', reason: `there is no token for ${path}` };
  try {
    const requesterFn = createTransport(timeoutMs, signal);
    const options = { host: baseUrl.replace(/\/+$/, ''), token, requesterFn, queryTimeout: null };
    await act({
      commits: new Commits(options),
      deployments: new Deployments(options),
      environments: new Environments(options),
    });
    return { type: 'reported' };
  } catch (error) {
    signal.throwIfAborted();
    const message = String(error).replaceAll(token, '***');
    const unknown = { status: undefined, message, header: () => undefined };
    return outcomeOf(error instanceof GitLabRefusal ? error.refusal : unknown, now());
  }
}

/** GitLab's answer to a state that a status or a deployment has already: told before, and the answer was lost. */
export function isTold(error: unknown): boolean {
  if (!(error instanceof GitLabRefusal)) return false;
  const { status, message } = error.refusal;
  return status === 400 && /cannot transition status|already has a status/i.test(message);
}
