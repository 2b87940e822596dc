import { App, Octokit } from 'octokit';
import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';

export interface GitHubAppConfig {
  appId: string;
  /** PEM, as GitHub gives it. */
  privateKey: string;
  /** `https://api.github.com`, or `https://ghes.example.org/api/v3`. Nothing is sent elsewhere. */
  apiUrl?: string | undefined;
  /** Milliseconds for one request. */
  timeoutMs?: number | undefined;
}

interface WantedToken {
  installationId: string;
  /** Without it the token is good for all that the installation can see. */
  repositoryId?: string | undefined;
  permissions: Record<string, 'read' | 'write'>;
  /** Not one that is kept: it would not know what changed since. */
  isFresh?: boolean | undefined;
}

/** A delivery of the App's webhook, as GitHub remembers it for some days. */
export interface HookDelivery {
  id: number;
  /** The same for all attempts: what webhooks bring as `X-GitHub-Delivery`. */
  guid: string;
  /** Milliseconds since the epoch. */
  deliveredAt: number;
  /** 0: there was no answer. */
  statusCode: number;
  isRedelivery: boolean;
}

/** A repository that an installation can see. */
export interface SeenRepository {
  id: string;
  isArchived: boolean;
}

/** What the builder asks GitHub as its App: who may fetch what, and what became of webhooks. */
export interface GitHubApp {
  /** For one repository, to read its contents and nothing else. Kept until shortly before it expires. */
  contentsToken(
    wanted: { installationId: string; repositoryId: string },
    signal: AbortSignal,
  ): Promise<string>;
  /** A client whose token has these rights on one repository and no others. */
  forRepository(
    wanted: { installationId: string; repositoryId: string; permissions: Record<string, 'read' | 'write'> },
    signal: AbortSignal,
  ): Promise<Octokit>;
  /** `undefined`: the App is not installed there. `path` is `owner/name`. */
  installationOf(path: string, signal: AbortSignal): Promise<string | undefined>;
  /** `undefined`: there is no such installation, or no more. */
  installationState(id: string, signal: AbortSignal): Promise<'active' | 'suspended' | undefined>;
  /** What an active installation can see now. */
  seenBy(installationId: string, signal: AbortSignal): AsyncIterable<SeenRepository[]>;
  /** Newest first, page by page. */
  deliveries(signal: AbortSignal): AsyncIterable<HookDelivery[]>;
  /** `false`: GitHub does not send that one again, as it is too old or its hook has changed. */
  redeliver(id: number, signal: AbortSignal): Promise<boolean>;
}

const defaultTimeoutMs = 15_000;
const perPage = 100;
/** Answers to a redelivery that mean this one and not all of them. */
const neverAgain: ReadonlySet<number> = new Set([400, 404, 410, 422]);
/** Three days of deliveries, all that GitHub keeps, at one a second. */
const maxPages = 2600;

const DeliveryPage = z.array(
  z.object({
    id: z.number().int(),
    guid: z.string().max(200),
    delivered_at: z.iso.datetime({ offset: true }),
    status_code: z.number().int(),
    redelivery: z.boolean(),
  }),
);

const Installation = z.object({ suspended_at: z.string().nullish() });
const RepositoryPage = z.object({
  repositories: z.array(z.object({ id: z.number().int(), archived: z.boolean() })),
});

/** Throws `remote_unavailable` for whatever GitHub can't or won't answer now. */
function unavailable(what: string, error: unknown): TowlineError {
  const status = statusOf(error);
  const answer = status === undefined ? 'could not be reached' : `answered ${status}`;
  return new TowlineError('remote_unavailable', `GitHub ${answer} ${what}`, { cause: error });
}

function statusOf(error: unknown): number | undefined {
  const status = (error as { status?: unknown }).status;
  return typeof status === 'number' ? status : undefined;
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Throws `config_invalid` if the key cannot be read. */
export function createGitHubApp(config: GitHubAppConfig): GitHubApp {
  const { appId, privateKey, apiUrl = 'https://api.github.com', timeoutMs = defaultTimeoutMs } = config;
  const boundedFetch: typeof fetch = (input, init = {}) => {
    const signals = [AbortSignal.timeout(timeoutMs), ...(init.signal ? [init.signal] : [])];
    // A redirect would carry the token to where the answer says.
    return fetch(input, { ...init, redirect: 'error', signal: AbortSignal.any(signals) });
  };
  const Client = Octokit.defaults({
    baseUrl: apiUrl.replace(/\/$/, ''),
    log: silent,
    request: { fetch: boundedFetch },
    // The callers have their own patience.
    retry: { enabled: false },
    throttle: { enabled: false },
  });
  const app = new App({ appId, privateKey, log: silent, Octokit: Client });

  async function asApp<T>(what: string, ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof TowlineError ? error : unavailable(what, error);
    }
  }

  /** Kept by octokit until shortly before it expires. */
  function tokenFor(
    { installationId, repositoryId, permissions, isFresh = false }: WantedToken,
    signal: AbortSignal,
  ): Promise<string> {
    const ask = async () => {
      const auth: unknown = await app.octokit.auth({
        type: 'installation',
        installationId: Number(installationId),
        ...(repositoryId === undefined ? {} : { repositoryIds: [Number(repositoryId)] }),
        permissions,
        refresh: isFresh,
      });
      return z.object({ token: z.string().min(1).max(1000) }).parse(auth).token;
    };
    return asApp('for a token', ask, signal);
  }

  return {
    contentsToken: (wanted, signal) => tokenFor({ ...wanted, permissions: { contents: 'read' } }, signal),
    forRepository: async (wanted, signal) => new Client({ auth: await tokenFor(wanted, signal) }),
    async installationOf(path, signal) {
      const [owner = '', repo = ''] = path.split('/');
      const ask = async () => {
        try {
          const found = await app.octokit.request('GET /repos/{owner}/{repo}/installation', {
            ...{ owner, repo },
            request: { signal },
          });
          return String(found.data.id);
        } catch (error) {
          if (statusOf(error) === 404) return undefined;
          throw error;
        }
      };
      return asApp('for an installation', ask, signal);
    },
    async installationState(id, signal) {
      const ask = async () => {
        try {
          const wanted = { installation_id: Number(id), request: { signal } };
          const { data } = await app.octokit.request('GET /app/installations/{installation_id}', wanted);
          return Installation.parse(data).suspended_at ? 'suspended' : 'active';
        } catch (error) {
          if (statusOf(error) === 404) return undefined;
          throw error;
        }
      };
      return asApp('for an installation', ask, signal);
    },
    async *seenBy(installationId, signal) {
      const wanted = { installationId, permissions: { metadata: 'read' }, isFresh: true } as const;
      const client = new Client({ auth: await tokenFor(wanted, signal) });
      for (let page = 1; page <= maxPages; page += 1) {
        const ask = () =>
          client.request('GET /installation/repositories', { per_page: perPage, page, request: { signal } });
        const { data } = await asApp('for the repositories of an installation', ask, signal);
        const { repositories } = RepositoryPage.parse(data);
        yield repositories.map(({ id, archived }) => ({ id: String(id), isArchived: archived }));
        if (repositories.length < perPage) return;
      }
    },
    async *deliveries(signal) {
      let cursor: string | undefined;
      for (let pages = 0; pages < maxPages; pages += 1) {
        const ask = () =>
          app.octokit.request('GET /app/hook/deliveries', {
            per_page: perPage,
            ...(cursor === undefined ? {} : { cursor }),
            request: { signal },
          });
        const { data, headers } = await asApp('for its deliveries', ask, signal);
        yield DeliveryPage.parse(data).map((each) => ({
          ...{ id: each.id, guid: each.guid, statusCode: each.status_code },
          deliveredAt: Date.parse(each.delivered_at),
          isRedelivery: each.redelivery,
        }));
        cursor = nextCursor(headers.link);
        if (cursor === undefined) return;
      }
    },
    async redeliver(id, signal) {
      const ask = async () => {
        try {
          const attempt = { delivery_id: id, request: { signal } };
          await app.octokit.request('POST /app/hook/deliveries/{delivery_id}/attempts', attempt);
          return true;
        } catch (error) {
          if (neverAgain.has(statusOf(error) ?? 0)) return false;
          throw error;
        }
      };
      return asApp('for a redelivery', ask, signal);
    },
  };
}

/** Only the cursor is taken from the link: the next request goes to the configured host all the same. */
function nextCursor(link: string | undefined): string | undefined {
  const next = /<([^>]{1,2000})>;\s*rel="next"/.exec(link ?? '')?.[1];
  return next !== undefined && URL.canParse(next)
    ? (new URL(next).searchParams.get('cursor') ?? undefined)
    : undefined;
}
