import { createHmac, generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { importSPKI, jwtVerify } from 'jose';
import { type ApiDescription, createApiContract } from './api-description.ts';
import { type ForgeAnswer, type ForgeRequest, type ForgeServer, startForgeServer } from './forge-server.ts';
import { createGitHubAnswers } from './github-answers.ts';
import { type Handler, notFound, repositoryOperations } from './github-operations.ts';
import {
  type CheckRun,
  createGitHubState,
  type GitHubAccount,
  type GitHubInstallation,
  type GitHubRepository,
  type GitHubState,
  type GitHubToken,
  type HookDelivery,
  issueToken,
} from './github-state.ts';

export interface GitHubDoubleOptions {
  /** Where deliveries are posted to. */
  webhookUrl?: (() => string) | undefined;
  /** How long installation tokens live. Default: an hour, as GitHub's. */
  tokenLifeMs?: number | undefined;
}

export interface GitHubDouble extends ForgeServer {
  state: GitHubState;
  app: { id: number; privateKey: string; clientId: string; slug: string; webhookSecret: string };
  /** Installs the App; ids are given out from 1001 up unless they are named. */
  install(
    account: Partial<GitHubAccount> & { login: string },
    repositories: RepositoryOptions[],
  ): GitHubInstallation;
  repository(fullName: string): GitHubRepository;
  checkRun(name: string, headSha?: string): CheckRun | undefined;
  /** Whether git may be served to who brings these Basic credentials; for `startGitHttpServer`. */
  allowsGit(username: string, password: string): boolean;
  /** Signs and posts an event, and remembers the delivery, also one that failed. Gives the answer's status, 0 for none. */
  deliver(event: string, payload: object, guid?: string): Promise<number>;
  /** The next requests are answered as GitHub's primary limit does, until the time (milliseconds) has come. */
  limitPrimary(resetAt: number): void;
  /** One request for this operation is answered as the secondary limit does. */
  limitSecondary(retryAfterSeconds: number, operation: string): void;
  /** What comes back from the page that creates an App of a manifest. */
  acceptManifest(): string;
}

export interface RepositoryOptions {
  name: string;
  id?: number | undefined;
  private?: boolean | undefined;
  defaultBranch?: string | undefined;
  branches?: Record<string, string> | undefined;
}

const description = JSON.parse(
  readFileSync(new URL('github-description.json', import.meta.url), 'utf8'),
) as ApiDescription;

const allPermissions = {
  metadata: 'read',
  contents: 'read',
  checks: 'write',
  statuses: 'write',
  deployments: 'write',
};
const unauthorized: ForgeAnswer = { status: 401, body: { message: 'Bad credentials' } };
const forbidden: ForgeAnswer = {
  status: 403,
  body: { message: 'Resource not accessible by integration', documentation_url: 'about:blank' },
};

/** What an operation on a repository needs, by the part of its path. */
const needed: [RegExp, string][] = [
  [/check-runs/, 'checks'],
  [/deployments/, 'deployments'],
  [/\/status/, 'statuses'],
  [/branches/, 'contents'],
];

export async function startGitHubDouble(options: GitHubDoubleOptions = {}): Promise<GitHubDouble> {
  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const publicKey = await importSPKI(keys.publicKey, 'RS256');
  const app = {
    id: 4711,
    privateKey: keys.privateKey,
    clientId: 'Iv1.towline',
    slug: 'towline-test',
    webhookSecret: 'e340154128314309424b7c8e90325147',
  };
  const state = createGitHubState();
  const contract = createApiContract(description);
  let nextId = 1000;
  const id = () => (nextId += 1);
  let limitedUntil = 0;
  let secondary: { seconds: number; operation: string } | undefined;
  const answers = createGitHubAnswers(contract, () => server.origin);
  const now = () => new Date().toISOString();

  async function isApp({ headers }: ForgeRequest): Promise<boolean> {
    const token = /^bearer (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';
    try {
      const { payload } = await jwtVerify(token, publicKey, { algorithms: ['RS256'] });
      const { iat = 0, exp = 0 } = payload;
      return [String(app.id), app.clientId].includes(String(payload.iss)) && exp - iat <= 660;
    } catch {
      return false;
    }
  }

  function tokenOf(authorization = ''): GitHubToken | undefined {
    const text = /^(?:token|bearer) (.+)$/i.exec(authorization)?.[1];
    return state.tokens.find((each) => each.token === text && each.expiresAt > Date.now());
  }

  function installationOf({ installationId }: GitHubToken): GitHubInstallation | undefined {
    return state.installations.find((each) => each.id === installationId && each.suspendedAt === null);
  }

  function repositoriesOf(token: GitHubToken): GitHubRepository[] {
    const all = installationOf(token)?.repositories ?? [];
    return all.filter((each) => token.repositoryIds?.includes(each.id) ?? true);
  }

  const isNamed = (repo: GitHubRepository, owner: string, name: string) =>
    `${repo.owner.login}/${repo.name}`.toLowerCase() === `${owner}/${name}`.toLowerCase();

  /** With the rights that GitHub asks for; `act` gets the repository. */
  const onRepository =
    (act: (repo: GitHubRepository, request: ForgeRequest) => ForgeAnswer): Handler =>
    (request) => {
      const token = tokenOf(request.headers.authorization);
      if (!token) return unauthorized;
      const { owner = '', repo = '' } = request.parameters;
      const all = repositoriesOf(token);
      const moved = all.find((each) => each.formerPath?.toLowerCase() === `${owner}/${repo}`.toLowerCase());
      if (moved) {
        const headers = { location: `${server.origin}/repositories/${moved.id}` };
        return { status: 301, headers, body: { message: 'Moved Permanently', url: headers.location } };
      }
      const found = all.find((each) => isNamed(each, owner, repo));
      if (!found) return notFound;
      const permission = needed.find(([part]) => part.test(request.name))?.[1] ?? 'metadata';
      const right = token.permissions[permission];
      const isEnough = right === 'write' || (right === 'read' && request.method === 'GET');
      return isEnough ? act(found, request) : forbidden;
    };

  const byApp =
    (act: Handler): Handler =>
    async (request) =>
      (await isApp(request)) ? act(request) : unauthorized;

  const handlers: Record<string, Handler> = {
    'GET /app': byApp(() => ({
      status: 200,
      body: { ...contract.example<object>('GET /app'), id: app.id, slug: app.slug, client_id: app.clientId },
    })),
    'GET /app/installations': byApp(() => ({
      status: 200,
      body: state.installations.map(answers.installation),
    })),
    'GET /app/installations/{installation_id}': byApp(({ parameters }) => {
      const found = state.installations.find((each) => each.id === Number(parameters['installation_id']));
      return found ? { status: 200, body: answers.installation(found) } : notFound;
    }),
    'POST /app/installations/{installation_id}/access_tokens': byApp(({ parameters, body }) => {
      const found = state.installations.find((each) => each.id === Number(parameters['installation_id']));
      if (!found) return notFound;
      if (found.suspendedAt !== null)
        return { ...forbidden, body: { message: 'This installation has been suspended' } };
      const token = issueToken(found, body ?? {}, options.tokenLifeMs ?? 3_600_000);
      const isGranted = Object.entries(token.permissions).every(
        ([name, right]) => found.permissions[name] === right || found.permissions[name] === 'write',
      );
      const areKnown = token.repositoryIds?.every((each) =>
        found.repositories.some((repo) => repo.id === each),
      );
      if (!isGranted || areKnown === false)
        return {
          status: 422,
          body: { message: 'not granted to this installation', documentation_url: 'about:blank' },
        };
      state.tokens.push(token);
      return { status: 201, body: answers.token(token) };
    }),
    'GET /repos/{owner}/{repo}/installation': byApp(({ parameters: { owner = '', repo = '' } }) => {
      const found = state.installations.find((each) =>
        each.repositories.some((one) => isNamed(one, owner, repo)),
      );
      return found ? { status: 200, body: answers.installation(found) } : notFound;
    }),
    'GET /installation/repositories': (request) => {
      const token = tokenOf(request.headers.authorization);
      if (!token) return unauthorized;
      const repositories = repositoriesOf(token).map(answers.repository);
      return { status: 200, body: { total_count: repositories.length, repositories } };
    },
    ...repositoryOperations({ state, answers, appId: app.id, id, onRepository, origin: () => server.origin }),
    'GET /app/hook/deliveries': byApp(({ url }) => {
      const perPage = Number(url.searchParams.get('per_page') ?? 30);
      const cursor = url.searchParams.get('cursor');
      const wanted = url.searchParams.get('status');
      const newestFirst = [...state.deliveries]
        .reverse()
        .filter((each) => wanted === null || (each.status === 'OK') === (wanted === 'success'));
      const start = cursor === null ? 0 : newestFirst.findIndex((each) => `v1_${each.id}` === cursor);
      const page = newestFirst.slice(start, start + perPage);
      const next = newestFirst[start + perPage];
      const link = `<${server.origin}/app/hook/deliveries?per_page=${perPage}&cursor=v1_${next?.id}>; rel="next"`;
      return { status: 200, body: page.map(answers.deliveryItem), ...(next ? { headers: { link } } : {}) };
    }),
    'GET /app/hook/deliveries/{delivery_id}': byApp(({ parameters }) => {
      const found = state.deliveries.find((each) => each.id === Number(parameters['delivery_id']));
      return found ? { status: 200, body: answers.delivery(found) } : notFound;
    }),
    'POST /app/hook/deliveries/{delivery_id}/attempts': byApp(async ({ parameters }) => {
      const found = state.deliveries.find((each) => each.id === Number(parameters['delivery_id']));
      if (!found) return notFound;
      // As GitHub: accepted first, delivered soon.
      setImmediate(() => void post(found.event, found.payload, found.guid, true));
      return { status: 202, body: {} };
    }),
    'POST /app-manifests/{code}/conversions': ({ parameters }) => {
      const index = state.manifestCodes.indexOf(parameters['code'] ?? '');
      if (index < 0) return notFound;
      state.manifestCodes.splice(index, 1);
      return {
        status: 201,
        body: {
          ...contract.example<object>('POST /app-manifests/{code}/conversions'),
          id: app.id,
          slug: app.slug,
          client_id: app.clientId,
          html_url: `https://github.com/apps/${app.slug}`,
          webhook_secret: app.webhookSecret,
          pem: app.privateKey,
        },
      };
    },
  };

  async function post(event: string, payload: object, guid: string, redelivery: boolean): Promise<number> {
    const body = JSON.stringify(payload);
    const known = payload as { action?: string; installation?: { id: number }; repository?: { id: number } };
    const delivery: HookDelivery = {
      id: id(),
      guid,
      deliveredAt: now(),
      redelivery,
      status: 'failed to connect to host',
      statusCode: 0,
      event,
      action: known.action ?? null,
      installationId: known.installation?.id ?? null,
      repositoryId: known.repository?.id ?? null,
      payload,
    };
    state.deliveries.push(delivery);
    const target = options.webhookUrl?.();
    if (target === undefined) return 0;
    try {
      const response = await fetch(target, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'GitHub-Hookshot/044aadd',
          'x-github-event': event,
          'x-github-delivery': guid,
          'x-github-hook-installation-target-id': String(app.id),
          'x-github-hook-installation-target-type': 'integration',
          'x-hub-signature-256': `sha256=${createHmac('sha256', app.webhookSecret).update(body).digest('hex')}`,
        },
        body,
        signal: AbortSignal.timeout(10_000),
      });
      await response.arrayBuffer();
      delivery.statusCode = response.status;
      delivery.status = response.ok ? 'OK' : `Invalid HTTP Response: ${response.status}`;
    } catch {
      // It stays as what could not be delivered.
    }
    return delivery.statusCode;
  }

  const limited = () => limitedUntil > Date.now();
  const server = await startForgeServer({
    contract,
    headers: () => ({
      'x-ratelimit-limit': '5000',
      'x-ratelimit-remaining': limited() ? '0' : '4999',
      'x-ratelimit-reset': String(Math.ceil((limited() ? limitedUntil : Date.now() + 3_600_000) / 1000)),
    }),
    handle(request) {
      if (limited())
        return { status: 403, body: { message: 'API rate limit exceeded for installation ID 1.' } };
      if (secondary?.operation === request.name) {
        const headers = { 'retry-after': String(secondary.seconds) };
        secondary = undefined;
        return { status: 403, headers, body: { message: 'You have exceeded a secondary rate limit.' } };
      }
      return (
        handlers[request.name]?.(request) ?? {
          status: 501,
          body: { message: `${request.name} is not there` },
        }
      );
    },
  });

  return Object.assign(server, {
    state,
    app,
    install(account: Partial<GitHubAccount> & { login: string }, repositories: RepositoryOptions[]) {
      const owner: GitHubAccount = {
        id: account.id ?? id(),
        type: account.type ?? 'Organization',
        login: account.login,
      };
      const installation: GitHubInstallation = {
        id: id(),
        account: owner,
        permissions: { ...allPermissions },
        suspendedAt: null,
        repositories: repositories.map((each) => ({
          id: each.id ?? id(),
          name: each.name,
          owner,
          private: each.private ?? false,
          defaultBranch: each.defaultBranch ?? 'main',
          branches: each.branches ?? {},
        })),
      };
      state.installations.push(installation);
      return installation;
    },
    repository(fullName: string) {
      const [owner = '', name = ''] = fullName.split('/');
      const all = state.installations.flatMap((each) => each.repositories);
      const found = all.find((each) => isNamed(each, owner, name));
      if (!found) throw new Error(`no repository ${fullName}`);
      return found;
    },
    checkRun: (name: string, headSha?: string) =>
      state.checkRuns.find((run) => run.name === name && (headSha ?? run.headSha) === run.headSha),
    allowsGit: (username: string, password: string) =>
      username === 'x-access-token' && (tokenOf(`token ${password}`)?.permissions['contents'] ?? '') !== '',
    deliver: (event: string, payload: object, guid: string = randomUUID()) =>
      post(event, payload, guid, false),
    limitPrimary(resetAt: number) {
      limitedUntil = resetAt;
    },
    limitSecondary(seconds: number, operation: string) {
      secondary = { seconds, operation };
    },
    acceptManifest() {
      const code = randomUUID().replaceAll('-', '');
      state.manifestCodes.push(code);
      return code;
    },
  });
}
