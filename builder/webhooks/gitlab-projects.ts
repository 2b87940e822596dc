import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import { readBody } from '../../runtime/http-service.ts';
import { ProjectAnswer } from './gitlab-payloads.ts';

/** What GitLab knows of its projects. */
export interface GitLabProjects {
  /** `null`: there is none, or our token must not see it. Throws `remote_unavailable` when no answer is to be had. */
  find(id: string, path: string, signal: AbortSignal): Promise<ProjectAnswer | null>;
  /**
   * Page by page, of a group with its subgroups, or the project of this path; of an empty path all that its token is a
   * member of. What cannot be read is left out. Throws `remote_unavailable`.
   */
  below(path: string, signal: AbortSignal): AsyncIterable<ProjectAnswer[]>;
}

export interface GitLabProjectsOptions {
  /** As `https://gitlab.com`: the only host that a token goes to. */
  baseUrl: string;
  /** For a project by its full path; `undefined`: as anybody. */
  token: (path: string) => Promise<string | undefined>;
}

const timeoutMs = 10_000;
const maxBytes = 2_000_000;
const perPage = 100;
/** GitLab gives no more than 50,000 by pages. */
const maxPages = 500;

/** By `GET /api/v4/projects/:id`: docs.gitlab.com/api/projects. */
export function createGitLabProjects({ baseUrl, token }: GitLabProjectsOptions): GitLabProjects {
  async function ask(endpoint: string, path: string, signal: AbortSignal): Promise<Response> {
    const secret = await token(path);
    return fetch(`${baseUrl}/api/v4/${endpoint}`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      // A token is never carried to where somebody else points.
      redirect: 'error',
      headers: { accept: 'application/json', ...(secret === undefined ? {} : { 'private-token': secret }) },
    });
  }

  async function read(response: Response): Promise<unknown> {
    if (response.status === 404) {
      await response.body?.cancel();
      return null;
    }
    if (response.status !== 200 || !response.body) {
      await response.body?.cancel();
      throw new TowlineError('remote_unavailable', `GitLab answered with ${response.status}`);
    }
    const body = await readBody(response.body as unknown as AsyncIterable<Buffer>, maxBytes);
    return JSON.parse(body.toString('utf8'));
  }

  async function answerTo(endpoint: string, path: string, signal: AbortSignal): Promise<unknown> {
    try {
      return await read(await ask(endpoint, path, signal));
    } catch (error) {
      if (error instanceof TowlineError) throw error;
      throw new TowlineError('remote_unavailable', 'GitLab cannot be reached', { cause: error });
    }
  }

  async function find(id: string, path: string, signal: AbortSignal): Promise<ProjectAnswer | null> {
    const answer = await answerTo(`projects/${encodeURIComponent(id)}`, path, signal);
    if (answer === null) return null;
    const result = ProjectAnswer.safeParse(answer);
    if (!result.success) throw new TowlineError('remote_unavailable', 'GitLab did not answer with a project');
    return result.data;
  }

  /** `null`: the path is no group's. */
  async function listed(path: string, page: number, signal: AbortSignal): Promise<unknown[] | null> {
    const group = `groups/${encodeURIComponent(path)}/projects?include_subgroups=true`;
    const list = path === '' ? 'projects?membership=true' : group;
    const answer = await answerTo(`${list}&per_page=${perPage}&page=${page}`, path, signal);
    const result = z.array(z.unknown()).max(perPage).nullable().safeParse(answer);
    if (!result.success) throw new TowlineError('remote_unavailable', 'GitLab did not answer with a list');
    return result.data;
  }

  async function alone(path: string, signal: AbortSignal): Promise<ProjectAnswer[]> {
    const project = path.includes('/') ? await find(path, path, signal) : null;
    return project ? [project] : [];
  }

  return {
    find,
    async *below(path, signal) {
      for (let page = 1; page <= maxPages; page += 1) {
        const all = await listed(path, page, signal);
        yield all?.flatMap(readable) ?? (await alone(path, signal));
        if (all === null || all.length < perPage) return;
      }
    },
  };
}

function readable(each: unknown): ProjectAnswer[] {
  const result = ProjectAnswer.safeParse(each);
  return result.success ? [result.data] : [];
}
