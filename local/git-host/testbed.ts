import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Identity } from '../../core/access.ts';
import type { Accounts, Authenticator, Owner } from '../../core/auth.ts';
import type { BuildService } from '../../core/build-service.ts';
import type { DeployRecord, LogLine, PushRecord } from '../../core/deploy.ts';
import type { EventBus } from '../../core/events.ts';
import { type PushEvent, SourceEvent } from '../../core/source-event.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { gitConfigEnvironment, gitEnvironment, gitOutput } from '../../runtime/git.ts';
import { readBody } from '../../runtime/http-service.ts';
import { createLogger, type Logger } from '../../runtime/logger.ts';
import { type RunOptions, type RunResult, runProcess } from '../../runtime/run-process.ts';
import { createGitHost, type GitHost, type GitHostConfig, type GitHostDeps } from './index.ts';

/** Tests only: the git host among real HTTP servers and real git clients, with the builder's contract in memory. */

const secret = 'a secret between the host and the builder';

function owner(slug: string, role: Owner['role']): Owner {
  return { id: `id-${slug}`, slug, role, name: `${slug} Person`, email: `${slug}@example.com` };
}

export const owners = [owner('demo', 'operator'), owner('alice', 'member'), owner('bob', 'member')];
export const tokenFor = (slug: string) => `token-of-${slug}`;

const accounts: Accounts = {
  owners: async () => owners,
  ownerBySlug: async (slug) => owners.find((candidate) => candidate.slug === slug),
  ownerById: async (id) => owners.find((candidate) => candidate.id === id),
  createOwner: () => Promise.reject(),
  createToken: () => Promise.reject(),
  tokens: async () => [],
  revokeToken: async () => false,
};

const authenticator: Authenticator = {
  fromCookies: async () => undefined,
  async fromToken(token): Promise<Identity | undefined> {
    const found = owners.find((candidate) => tokenFor(candidate.slug) === token);
    if (!found) return undefined;
    const { id, slug, name, email, role } = found;
    return { ownerId: id, owner: slug, name, email, role, via: 'token' };
  },
};

/** What a test lets the builder do with a push. */
export interface Build {
  event: PushEvent;
  log(line: Partial<LogLine>): void;
  done(push: Partial<PushRecord>): void;
}

export type BuildScript = (build: Build) => void | Promise<void>;

export function deployOf(event: PushEvent, fields: Partial<DeployRecord>): DeployRecord {
  const { owner, ownerId, name } = event.repository;
  return {
    id: randomUUID(),
    pushId: event.id,
    owner,
    ownerId,
    repo: name,
    branch: 'main',
    functionName: 'hello',
    sourceCommit: event.after,
    sourceSubject: '',
    actor: event.actor,
    state: 'live',
    stage: 'live',
    cause: null,
    steps: [],
    image: null,
    gitopsCommit: null,
    number: null,
    warnings: [],
    createdAt: 1_000,
    updatedAt: 2_800,
    ...fields,
  };
}

export class MemoryBuilds implements Pick<BuildService, 'push' | 'log'> {
  readonly pushes = new Map<string, PushRecord>();
  private readonly logs = new Map<string, LogLine[]>();
  private readonly events: EventBus;
  script: BuildScript = (build) => build.done({ deploys: [deployOf(build.event, {})] });

  constructor(events: EventBus) {
    this.events = events;
  }

  private put(push: PushRecord): void {
    this.pushes.set(push.id, push);
    this.events.publish({ type: 'push.changed', ownerId: push.ownerId, owner: push.owner, push });
  }

  async accept(event: PushEvent): Promise<void> {
    const { owner, ownerId, name: repo } = event.repository;
    const { id, ref, before, after, actor } = event;
    const times = { createdAt: 1_000, updatedAt: 1_000 };
    const base = { id, owner, ownerId, repo, ref, before, after, actor, note: null, ...times };
    const lines: LogLine[] = [];
    this.logs.set(id, lines);
    this.put({ ...base, state: 'running', deploys: [] });
    await this.script({
      event,
      log: (fields) => {
        const line: LogLine = {
          n: lines.length + 1,
          time: 1_500,
          functionName: 'hello',
          stage: 'build',
          kind: 'output',
          text: '',
          ...fields,
        };
        lines.push(line);
        this.events.publish({ type: 'log.line', ownerId, owner, pushId: id, line });
      },
      done: (fields) => this.put({ ...base, state: 'done', deploys: [], ...fields }),
    });
  }

  async push(id: string): Promise<PushRecord | undefined> {
    return this.pushes.get(id);
  }

  async *log(id: string, after: number, signal: AbortSignal): AsyncGenerator<LogLine> {
    for (let next = after; ; ) {
      const lines = this.logs.get(id) ?? [];
      for (; next < lines.length; next += 1) yield lines[next] as LogLine;
      if (this.pushes.get(id)?.state === 'done') return;
      await new Promise<void>((resolve, reject) => {
        const unsubscribe = this.events.subscribe(() => {
          unsubscribe();
          resolve();
        });
        signal.addEventListener('abort', () => {
          unsubscribe();
          reject(signal.reason);
        });
      });
    }
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  );
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Refuses what isn't signed, remembers what is, and hands pushes to the builder. */
class WebhookReceiver {
  readonly events: SourceEvent[] = [];
  status = 202;
  forged = 0;
  private readonly waiting = new Set<() => void>();
  readonly server: Server;

  constructor(onPush: (event: PushEvent) => void) {
    this.server = createServer(async (request, response) => {
      const body = await readBody(request, 1_000_000);
      const expected = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
      const given = String(request.headers['x-towline-signature-256']);
      const genuine =
        given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
      if (!genuine) this.forged += 1;
      const accepted = genuine && this.status === 202;
      response.writeHead(genuine ? this.status : 401);
      if (!accepted) return void response.end();
      const event = SourceEvent.parse(JSON.parse(body.toString('utf8')));
      response.end(JSON.stringify({ id: event.id }));
      this.events.push(event);
      for (const wake of this.waiting) wake();
      if (event.type === 'push') onPush(event);
    });
  }

  get pushEvents(): PushEvent[] {
    return this.events.filter((event) => event.type === 'push');
  }

  /** Resolves with the events once there are `count` of them. */
  async until(count: number): Promise<SourceEvent[]> {
    while (this.events.length < count) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.waiting.delete(wake);
          resolve();
        };
        this.waiting.add(wake);
      });
    }
    return this.events;
  }
}

export interface ClientOptions
  extends Partial<Pick<RunOptions, 'cwd' | 'env' | 'signal' | 'input' | 'onOutput'>> {
  /** Slug of the owner whose token is used; nobody's if absent. */
  as?: string;
}

export interface Testbed extends AsyncDisposable {
  dir: string;
  origin: string;
  host: GitHost;
  builds: MemoryBuilds;
  webhook: WebhookReceiver;
  gitopsPushes: unknown[];
  logger: Logger;
  url(path: string): string;
  /** A git client as `slug`, or as nobody. */
  git(args: string[], options?: ClientOptions): Promise<RunResult>;
  /** A work tree with one commit. */
  workTree(name?: string, files?: Record<string, string | Uint8Array>): Promise<string>;
  /** The environment of `git`, for tests that start it themselves. */
  clientEnv(as?: string): Record<string, string>;
  /** Stops the host and starts it again on the same folders. */
  restart(): Promise<void>;
}

export async function createTestbed(
  path: string,
  overrides: Partial<GitHostConfig & Pick<GitHostDeps, 'followGitOps'>> = {},
): Promise<Testbed> {
  const dir = await mkdtemp(join(tmpdir(), 'towline-git-host-'));
  const events = createEventBus();
  const builds = new MemoryBuilds(events);
  const logger = createLogger({ level: 'silent', name: 'test' });
  const webhook = new WebhookReceiver((event) => void builds.accept(event));
  const webhookPort = await listen(webhook.server);
  const gitopsPath = join(dir, 'gitops.git');
  await gitOutput({
    args: ['init', '--quiet', '--bare', '--initial-branch=main', gitopsPath],
    env: gitEnvironment(path),
  });
  const gitopsPushes: unknown[] = [];
  const front = createServer((request, response) => host.handle(request, response));
  const origin = `http://127.0.0.1:${await listen(front)}`;
  const { followGitOps, ...configOverrides } = overrides;
  const start = () =>
    createGitHost(
      {
        reposDir: join(dir, 'repos'),
        gitopsPath,
        committerEmail: 'towline@towline.localhost',
        publicOrigin: origin,
        basePath: '/git',
        webhookUrl: `http://127.0.0.1:${webhookPort}/webhooks/git`,
        webhookSecret: secret,
        hookDir: join(dir, 'hooks'),
        path,
        ...configOverrides,
      },
      {
        logger,
        authenticator,
        accounts,
        events,
        builds: () => builds as unknown as BuildService,
        onGitOpsPush: (push) => gitopsPushes.push(push),
        followGitOps,
        functionUrl: (slug, name) => `http://${slug}.localhost/${name}`,
        logUrl: (slug, id) => `${origin}/${slug}/pushes/${id}`,
      },
    );
  let host = await start();

  function clientEnv(as?: string): Record<string, string> {
    const login = as === undefined ? '' : Buffer.from(`x:${tokenFor(as)}`).toString('base64');
    const settings: Record<string, string> = {
      'user.name': 'Test',
      'user.email': 'test@example.com',
      'init.defaultBranch': 'main',
      'advice.detachedHead': 'false',
      'core.compression': '0',
    };
    if (login) settings['http.extraHeader'] = `Authorization: Basic ${login}`;
    return gitEnvironment(path, { HOME: dir, ...gitConfigEnvironment(settings) });
  }

  const bed: Testbed = {
    dir,
    origin,
    get host() {
      return host;
    },
    builds,
    webhook,
    gitopsPushes,
    logger,
    url: (suffix) => `${origin}/git/${suffix}`,
    clientEnv,
    git: (args, { as, ...options } = {}) =>
      runProcess({
        cwd: dir,
        timeoutMs: 20_000,
        ...options,
        command: 'git',
        args,
        env: { ...clientEnv(as), ...options.env },
      }),
    async workTree(name = `work-${randomUUID()}`, files = { 'stack.yml': 'functions: {}\n' }) {
      const cwd = join(dir, name);
      await mkdir(cwd);
      for (const [file, content] of Object.entries(files)) await writeFile(join(cwd, file), content);
      for (const args of [
        ['init', '--quiet'],
        ['add', '.'],
        ['commit', '--quiet', '-m', 'First'],
      ]) {
        await gitOutput({ args, cwd, env: clientEnv() });
      }
      return cwd;
    },
    async restart() {
      await host[Symbol.asyncDispose]();
      host = await start();
    },
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]();
      await close(front);
      await close(webhook.server);
      await rm(dir, { recursive: true, force: true });
    },
  };
  return bed;
}
