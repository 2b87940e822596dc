import type { Octokit } from 'octokit';
import { RequestError } from 'octokit';
import { TowlineError } from '../../core/errors.ts';
import type { ReportMemory, ReportOutcome } from '../../runtime/outbox/outbox.ts';
import { type ForgeRefusal, outcomeOf } from '../../runtime/outbox/outcome-of-answer.ts';
import type { GitHubApp } from '../github/github-app.ts';
import type { StatusReport } from './status-report.ts';

export interface GitHubReporterConfig {
  app: Pick<GitHubApp, 'installationOf' | 'forRepository'>;
  now?: (() => number) | undefined;
}

export type Permissions = Parameters<GitHubApp['forRepository']>[0]['permissions'];

/** `owner/name` in the shapes that GitHub gives out; logins of managed users have an underscore. */
const repositoryPath = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})\/[A-Za-z0-9._-]{1,100}$/;

const isGitHubs = ({ scm, repository }: StatusReport) =>
  scm === 'github' && repositoryPath.test(repository.path) && /^\d{1,16}$/.test(repository.id);

/** A report's key if it is for GitHub. */
export const gitHubKey = (report: StatusReport, key: string): string | null =>
  isGitHubs(report) ? key : null;

/** A connection, or the way: GitHub would send us somewhere else each time. */
const whatBroke = (error: RequestError) => (isMoved(error) ? 301 : undefined);

function refusalOf(error: unknown): ForgeRefusal {
  const inner = error instanceof TowlineError && error.cause !== undefined ? error.cause : error;
  if (!(inner instanceof RequestError))
    return { status: undefined, message: String(inner), header: () => undefined };
  const headers = inner.response?.headers ?? {};
  return {
    // What octokit says of a connection that broke.
    status: inner.response === undefined ? whatBroke(inner) : inner.status,
    message: inner.message,
    header(name) {
      const value = headers[name];
      return value === undefined ? undefined : String(value);
    },
  };
}

const partsOf = (path: string) => {
  const [owner = '', repo = ''] = path.split('/');
  return { owner, repo };
};

/** Redirects are errors, since a token must not go where an answer points: this is how fetch tells of one. */
const isMoved = (error: unknown) => error instanceof RequestError && /redirect/.test(error.message);

/** The token is for one repository alone, so that it is the only one listed. */
async function currentPath(octokit: Octokit, id: string, signal: AbortSignal): Promise<string> {
  const { data } = await octokit.rest.apps.listReposAccessibleToInstallation({ request: { signal } });
  const path = data.repositories.find((each) => String(each.id) === id)?.full_name ?? '';
  if (!repositoryPath.test(path)) throw new TowlineError('not_found', `GitHub does not say where ${id} is`);
  return path;
}

export interface GitHubCall {
  octokit: Octokit;
  repo: { owner: string; repo: string };
  signal: AbortSignal;
}

/**
 * Asks GitHub with a token for this repository alone; `act` makes the requests. The installation is the event's own,
 * and is looked up anew if that is gone, as after the App was installed again.
 */
export async function onGitHub(
  config: GitHubReporterConfig,
  report: StatusReport,
  context: { permissions: Permissions; shared: ReportMemory; signal: AbortSignal },
  act: (call: GitHubCall) => Promise<void>,
): Promise<ReportOutcome> {
  const { app, now = Date.now } = config;
  const { permissions, shared, signal } = context;
  const { id, path } = report.repository;
  const known = `installation ${id}`;

  async function attempt(installationId: string): Promise<void> {
    const octokit = await app.forRepository({ installationId, repositoryId: id, permissions }, signal);
    try {
      await act({ octokit, repo: partsOf(path), signal });
    } catch (error) {
      if (!isMoved(error)) throw error;
      await act({ octokit, repo: partsOf(await currentPath(octokit, id, signal)), signal });
    }
  }

  /** A token is refused like this if the installation is gone or does not hold the repository any more. */
  const isGone = (error: unknown) =>
    error instanceof TowlineError && [404, 422].includes(refusalOf(error).status ?? 0);

  async function run(): Promise<ReportOutcome> {
    const first = shared.get(known) ?? report.installationId;
    if (first !== undefined) {
      try {
        await attempt(first);
        return { type: 'reported' };
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    }
    const found = await app.installationOf(path, signal);
    if (found === undefined) return { type: 'refused', reason: `the GitHub App is not installed on ${path}` };
    shared.set(known, found);
    await attempt(found);
    return { type: 'reported' };
  }

  try {
    return await run();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof TowlineError && error.code === 'not_found')
      return { type: 'refused', reason: error.message };
    return outcomeOf(refusalOf(error), now());
  }
}
