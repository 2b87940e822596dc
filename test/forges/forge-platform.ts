import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import webhookExamples from '@octokit/webhooks-examples' with { type: 'json' };
import type { FeedbackConfig } from '../../builder/feedback/feedback.ts';
import { gitHubReporters } from '../../builder/feedback/github-reporters.ts';
import {
  type Builder,
  type BuilderConfig,
  type BuilderDeps,
  createBuilder,
  createGitHubApp,
  createGitHubSourceAccess,
} from '../../builder/index.ts';
import {
  createMemoryEngine,
  createMemoryReconciler,
  createMemoryWriter,
  createTemplates,
} from '../../builder/pipeline/platform-in-memory.test.ts';
import type { AuditTrail } from '../../core/audit.ts';
import { zeroSha } from '../../core/names.ts';
import { type GitHttpServer, startGitHttpServer } from '../../manifest-writer/gitops-http-server.ts';
import { openAuditTrail } from '../../runtime/audit/audit-trail.ts';
import type { AuditWebhookConfig } from '../../runtime/audit/audit-webhook.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { gitEnvironment } from '../../runtime/git.ts';
import { createLogger } from '../../runtime/logger.ts';
import { type GitHubDouble, startGitHubDouble } from './github-double.ts';

const path = process.env['PATH'] ?? '/usr/bin:/bin';
export const dashboard = 'https://towline.example.org';

function git(cwd: string, ...args: string[]): string {
  const identity = {
    GIT_AUTHOR_NAME: 'A',
    GIT_AUTHOR_EMAIL: 'a@x',
    GIT_COMMITTER_NAME: 'A',
    GIT_COMMITTER_EMAIL: 'a@x',
  };
  return execFileSync('git', args, { cwd, env: gitEnvironment(path, identity), encoding: 'utf8' }).trim();
}

/** Makes a commit of exactly these files on `main` of a bare repository. */
export function commitTo(bare: string, files: Record<string, string>): { before: string; after: string } {
  const before = git(bare, 'for-each-ref', '--format=%(objectname)', 'refs/heads/main') || zeroSha;
  const tree = mkdtempSync(join(tmpdir(), 'towline-commit-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(tree, name)), { recursive: true });
      writeFileSync(join(tree, name), text);
    }
    writeFileSync(join(tree, 'unique'), randomUUID());
    const gitDir = ['--git-dir', bare, '--work-tree', tree];
    git(tree, ...gitDir, 'add', '--all');
    git(tree, ...gitDir, 'commit', '--quiet', '-m', 'Change it');
  } finally {
    rmSync(tree, { recursive: true });
  }
  return { before, after: git(bare, 'rev-parse', 'refs/heads/main') };
}

const examples = webhookExamples as unknown as { name: string; examples: Record<string, unknown>[] }[];

/** GitHub's own example of an event, of an App. */
export function exampleOf(name: string): Record<string, unknown> {
  const all = examples.find((each) => each.name === name)?.examples ?? [];
  const found = all.find((each) => each['installation'] !== undefined) ?? all[0];
  if (!found) throw new Error(`GitHub has no example of ${name}`);
  return structuredClone(found);
}

export interface ForgePlatformOptions {
  feedback?: Partial<FeedbackConfig>;
  commitStatuses?: boolean;
  /** Who is told what people and GitHub did. */
  auditWebhook?: AuditWebhookConfig;
  config?: Partial<BuilderConfig>;
  ignoredPushers?: string[];
  /** The file that lists them. */
  customers?: string;
}

/** Where a builder finds its folder and its GitHub; can be handed to another process. */
export interface ForgePlace {
  root: string;
  apiUrl: string;
  webUrl: string;
  app: GitHubDouble['app'];
}

/** A builder whose App is on GitHub's double, among neighbours in memory. */
export function createForgeBuilder(
  { root, apiUrl, webUrl, app: { id, privateKey, webhookSecret } }: ForgePlace,
  options: ForgePlatformOptions & {
    neighbours: Pick<BuilderDeps, 'engine' | 'reconciler' | 'manifestWriter'>;
    log: (line: string) => void;
    trail?: AuditTrail | undefined;
  },
): Promise<Builder> {
  const app = createGitHubApp({ appId: String(id), privateKey, apiUrl });
  const retry = { firstMs: 5, maxMs: 20 };
  return createBuilder(
    {
      databasePath: join(root, 'builder.db'),
      logsDir: join(root, 'logs'),
      workDir: join(root, 'work'),
      webhookSecrets: ['unused'],
      forges: {
        github: { baseUrl: webUrl, webhookSecrets: [webhookSecret], appId: String(id) },
        ignoredPushers: options.ignoredPushers,
        customers: options.customers,
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
      ...options.neighbours,
      logger: createLogger({ level: 'debug', name: 'builder' }, { write: options.log }),
      events: createEventBus(),
      sourceAccess: createGitHubSourceAccess({ app, webUrl, path }),
      githubApp: app,
      templates: createTemplates(root),
      functionUrl: (owner, name) => `https://${owner}.example.org/${name}`,
      audit: options.trail && { trail: options.trail, origin: dashboard },
      feedback: {
        origin: dashboard,
        reporters: gitHubReporters({ app }, { commitStatuses: options.commitStatuses ?? false }),
        retry,
        ...options.feedback,
      },
    },
  );
}

/** GitHub's double with one repository that is served over HTTP, without anybody who hears of it. */
export async function startForgeSurroundings() {
  const root = mkdtempSync(join(tmpdir(), 'towline-forge-'));
  const bare = join(root, 'git', 'Acme', 'shop.git');
  mkdirSync(bare, { recursive: true });
  git(bare, 'init', '--quiet', '--bare', '--initial-branch=main');
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(root, { recursive: true, force: true, maxRetries: 3 }));
  let webhookUrl: string | undefined;
  const github: GitHubDouble = stack.use(
    await startGitHubDouble({ webhookUrl: () => webhookUrl ?? 'http://127.0.0.1:1/' }),
  );
  const gitServer: GitHttpServer = stack.use(
    await startGitHttpServer({ root: join(root, 'git'), path, allows: github.allowsGit }),
  );
  const installation = github.install({ login: 'Acme' }, [{ name: 'shop' }]);
  const repository = github.repository('Acme/shop');

  /** What every payload of the App says of its repository. */
  function base(name: string): Record<string, unknown> {
    const payload = exampleOf(name);
    const known = payload['repository'] as Record<string, unknown>;
    const owner = { ...(known['owner'] as object), id: installation.account.id, login: 'Acme', name: 'Acme' };
    return {
      ...payload,
      installation: { id: installation.id, node_id: 'x' },
      repository: {
        ...known,
        ...{ id: repository.id, name: 'shop', full_name: 'Acme/shop', owner },
        ...{ clone_url: `${gitServer.url}/Acme/shop.git`, default_branch: 'main', master_branch: 'main' },
      },
    };
  }

  const place: ForgePlace = { root, apiUrl: github.origin, webUrl: gitServer.url, app: github.app };
  const resources = stack.move();
  return {
    github,
    installation,
    repository,
    bare,
    base,
    place,
    setWebhookPort(port: number) {
      webhookUrl = `http://127.0.0.1:${port}/webhooks/github`;
    },
    /** Commits, and lets GitHub tell of it: `status` is what it was answered, 0 for nothing. */
    async push(files: Record<string, string>) {
      const { before, after } = commitTo(bare, files);
      const range = { ref: 'refs/heads/main', before, after, created: false, deleted: false };
      const payload = { ...base('push'), ...range };
      const guid = randomUUID();
      const redeliver = () => github.deliver('push', payload, guid);
      return { commit: after, status: await redeliver(), redeliver };
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** The same with a builder whose App is installed there. */
export async function startForgePlatform(options: ForgePlatformOptions = {}) {
  await using stack = new AsyncDisposableStack();
  const surroundings = stack.use(await startForgeSurroundings());
  const engine = createMemoryEngine();
  const reconciler = createMemoryReconciler();
  const writer = createMemoryWriter();
  const logged: string[] = [];
  const log = (line: string) => void logged.push(line);
  const trail = stack.use(
    openAuditTrail(
      {
        path: join(surroundings.place.root, 'audit.db'),
        webhook: options.auditWebhook,
        retry: { firstMs: 5, maxMs: 20 },
      },
      { logger: createLogger({ level: 'info', name: 'audit' }, { write: log }) },
    ),
  );
  const make = () =>
    createForgeBuilder(surroundings.place, {
      ...options,
      neighbours: { engine: engine.engine, reconciler: reconciler.reconciler, manifestWriter: writer.writer },
      log,
      trail,
    });
  let builder: Builder = await make();
  stack.defer(() => builder[Symbol.asyncDispose]());
  const server = createServer((req, res) => builder.webhook(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  surroundings.setWebhookPort((server.address() as AddressInfo).port);
  await builder.start();

  const resources = stack.move();
  return {
    ...surroundings,
    engine,
    reconciler,
    writer,
    logged,
    trail,
    builder: () => builder,
    /** Nobody takes webhooks any more. */
    stop: () => builder[Symbol.asyncDispose](),
    /** As a death of the process does, or its end, and a new start. */
    async restart({ abandon = false } = {}) {
      if (!abandon) await builder[Symbol.asyncDispose]();
      builder = await make();
      await builder.start();
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
