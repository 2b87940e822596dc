import { TowlineError } from '../../core/errors.ts';
import { readBody } from '../../runtime/http-service.ts';
import { ProjectAnswer } from './gitlab-payloads.ts';

/** What GitLab knows of its projects. */
export interface GitLabProjects {
  /** `null`: there is none, or our token must not see it. Throws `remote_unavailable` when no answer is to be had. */
  find(id: string, path: string, signal: AbortSignal): Promise<ProjectAnswer | null>;
}

export interface GitLabProjectsOptions {
  /** As `https://gitlab.com`: the only host that a token goes to. */
  baseUrl: string;
  /** For a project by its full path; `undefined`: as anybody. */
  token: (path: string) => Promise<string | undefined>;
}

const timeoutMs = 10_000;
const maxBytes = 2_000_000;

/** By `GET /api/v4/projects/:id`: docs.gitlab.com/api/projects. */
export function createGitLabProjects({ baseUrl, token }: GitLabProjectsOptions): GitLabProjects {
  async function ask(id: string, path: string, signal: AbortSignal): Promise<Response> {
    const secret = await token(path);
    return fetch(`${baseUrl}/api/v4/projects/${encodeURIComponent(id)}`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      // A token is never carried to where somebody else points.
      redirect: 'error',
      headers: { accept: 'application/json', ...(secret === undefined ? {} : { 'private-token': secret }) },
    });
  }

  async function read(response: Response): Promise<ProjectAnswer | null> {
    if (response.status === 404) {
      await response.body?.cancel();
      return null;
    }
    if (response.status !== 200 || !response.body) {
      await response.body?.cancel();
      throw new TowlineError('remote_unavailable', `GitLab answered with ${response.status}`);
    }
    const body = await readBody(response.body as unknown as AsyncIterable<Buffer>, maxBytes);
    const result = ProjectAnswer.safeParse(JSON.parse(body.toString('utf8')));
    if (!result.success) throw new TowlineError('remote_unavailable', 'GitLab did not answer with a project');
    return result.data;
  }

  return {
    async find(id, path, signal) {
      try {
        return await read(await ask(id, path, signal));
      } catch (error) {
        if (error instanceof TowlineError) throw error;
        throw new TowlineError('remote_unavailable', 'GitLab cannot be reached', { cause: error });
      }
    },
  };
}
