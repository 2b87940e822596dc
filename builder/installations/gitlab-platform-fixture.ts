/** A builder that serves one project of a GitLab: its API, its git and its hooks over HTTP. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGitHttpServer } from '../../manifest-writer/gitops-http-server.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { createLogger } from '../../runtime/logger.ts';
import { commitTo } from '../../test/forges/forge-platform.ts';
import { type BuilderConfig, createBuilder } from '../index.ts';
import {
  createMemoryEngine,
  createMemoryReconciler,
  createMemoryWriter,
  createTemplates,
} from '../pipeline/platform-in-memory.test.ts';
import { createGitLabSourceAccess } from '../source/source-access-gitlab.ts';
import { projectAnswer } from '../webhooks/gitlab-fixture.ts';

export interface GitLabPlatformOptions {
  /** Where programs are. */
  path: string;
  topic?: string;
  config?: Partial<BuilderConfig>;
  /** Whose projects are listed. */
  paths?: string[];
  /** By full paths of projects. */
  tokens?: Record<string, string>;
}

async function listen(listener: RequestListener): Promise<Server & { url: string }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(server, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

function close(server: Server): void {
  server.closeAllConnections();
  server.close();
}

export async function startGitLabPlatform(options: GitLabPlatformOptions) {
  const { path } = options;
  await using stack = new AsyncDisposableStack();
  const root = mkdtempSync(join(tmpdir(), 'towline-gitlab-'));
  stack.defer(() => rmSync(root, { recursive: true, force: true, maxRetries: 3 }));
  const bare = join(root, 'git', 'acme', 'shop.git');
  mkdirSync(bare, { recursive: true });
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main'], { cwd: bare });
  const git = stack.use(await startGitHttpServer({ root: join(root, 'git'), path }));
  const project = {
    ...{ id: 15, path: 'shop', path_with_namespace: 'acme/shop', visibility: 'public' },
    ...{ archived: false, topics: ['towline'], namespace: { id: 77, kind: 'group', full_path: 'acme' } },
  };
  /** What GitLab says of project 15; `tokens`: those that were sent with the question. */
  const gitlab = { project, status: 200, tokens: [] as (string | undefined)[] };
  const front = await listen((request, response) => {
    if (/^\/api\/v4\/projects\/\d+$/.test(request.url ?? '')) {
      gitlab.tokens.push(request.headers['private-token']?.toString());
      const headers = { 'content-type': 'application/json' };
      response.writeHead(gitlab.status, headers).end(JSON.stringify(projectAnswer(gitlab.project)));
      return;
    }
    if (request.url?.startsWith('/api/v4/groups/acme/projects?')) {
      response.writeHead(gitlab.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify([projectAnswer(gitlab.project)]));
      return;
    }
    const { method, headers } = request;
    const upstream = httpRequest(`${git.url}${request.url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    // The platform's end cuts what is on its way.
    upstream.on('error', () => response.destroy());
    request.pipe(upstream);
  });
  stack.defer(() => close(front));

  const engine = createMemoryEngine();
  const reconciler = createMemoryReconciler();
  const writer = createMemoryWriter();
  const retry = { firstMs: 5, maxMs: 20 };
  const builder = await createBuilder(
    {
      databasePath: join(root, 'builder.db'),
      logsDir: join(root, 'logs'),
      workDir: join(root, 'work'),
      webhookSecrets: ['unused'],
      forges: {
        gitlab: {
          ...{ baseUrl: front.url, webhookSecrets: ['secret'] },
          ...{ topic: options.topic, paths: options.paths },
        },
      },
      path,
      buildTimeoutMs: 60_000,
      maxConcurrentBuilds: 2,
      maxLogBytes: 1_000_000,
      maxContextBytes: 1_000_000,
      readyFollowTimeoutMs: 60_000,
      retry,
      webhookGraceMs: 20,
      ...options.config,
    },
    {
      ...{ engine: engine.engine, reconciler: reconciler.reconciler, manifestWriter: writer.writer },
      logger: createLogger({ level: 'debug', name: 'builder' }, { write: () => {} }),
      events: createEventBus(),
      sourceAccess: createGitLabSourceAccess({ webUrl: front.url, tokens: [], path }),
      gitlabToken: async (of) => options.tokens?.[of],
      templates: createTemplates(root),
      functionUrl: (owner, name) => `https://${owner}.example.org/${name}`,
    },
  );
  stack.defer(() => builder[Symbol.asyncDispose]());
  const hooks = await listen((request, response) => builder.webhook(request, response));
  stack.defer(() => close(hooks));
  await builder.start();

  /** Gives the answer's status; what it led to is done. */
  async function tell(payload: object): Promise<number> {
    const headers = {
      'content-type': 'application/json',
      'x-gitlab-token': 'secret',
      'idempotency-key': randomUUID(),
    };
    const body = JSON.stringify(payload);
    const response = await fetch(`${hooks.url}/webhooks/gitlab`, { method: 'POST', headers, body });
    await response.arrayBuffer();
    await builder.drain();
    return response.status;
  }

  const resources = stack.move();
  return {
    ...{ bare, builder, gitlab, tell, writer },
    /** Commits, and tells of it; gives the commit. */
    async push(files: Record<string, string>): Promise<string> {
      const { before, after } = commitTo(bare, files);
      const about = { id: 15, path_with_namespace: 'acme/shop', visibility_level: 20 };
      const who = { user_id: 4, user_name: 'J', user_username: 'jsmith', user_email: 'j@example.org' };
      const push = { object_kind: 'push', event_name: 'push', ref: 'refs/heads/main', before, after };
      await tell({ ...push, ...who, project_id: 15, project: about });
      return after;
    },
    functions: () => writer.state.deployed('acme'),
    live: () => writer.state.sourceOf('acme', 'hello'),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
