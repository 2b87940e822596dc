/** In-memory adapters of the ports around the builder, and real git repositories, for its tests. */
import { execFileSync } from 'node:child_process';
import { createHash, createHmac, randomUUID } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { CatalogEntry, FunctionCatalog } from '../../core/catalog.ts';
import type { PushRecord } from '../../core/deploy.ts';
import { defaultEnvironment, type RefTargets } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import type { PlatformEvent } from '../../core/events.ts';
import type {
  DeployIntent,
  HistoryEntry,
  ManifestWriter,
  PromoteIntent,
  RemoveIntent,
  SecretsIntent,
  WriteOutcome,
} from '../../core/manifest-writer.ts';
import { zeroSha } from '../../core/names.ts';
import type { FollowOutcome, FollowTarget, Reconciler } from '../../core/reconciler.ts';
import type { PushEvent, SourceEvent } from '../../core/source-event.ts';
import { createEventBus } from '../../runtime/event-bus.ts';
import { gitEnvironment } from '../../runtime/git.ts';
import { createLogger } from '../../runtime/logger.ts';
import type { BuildEngine, BuildRequest } from '../engines/build-engine.ts';
import { type Builder, type BuilderConfig, type BuildSecrets, createBuilder } from '../index.ts';
import type { SourceAccess } from '../source/source-access.ts';
import type { TemplateCatalog } from '../templates/template.ts';
import type { PrebuiltImages } from './prebuilt-images.ts';

export const secret = 'current-secret';
const path = process.env['PATH'] ?? '/usr/bin:/bin';

export interface Gate {
  readonly entered: Promise<void>;
  open(): void;
}

/** Commits in a list, optionally kept in a file, so that they outlive a killed process. */
export function createMemoryWriter(file?: string) {
  interface Commit {
    id: string;
    kind: 'deploy' | 'remove';
    environment: string;
    owner: string;
    repo: string;
    functionNames: string[];
    intent: DeployIntent | RemoveIntent;
    /** The number of the deploy that it brought back. */
    restores?: number;
  }
  const main = defaultEnvironment;
  const commits: Commit[] = [];
  if (file && existsSync(file)) {
    for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) commits.push(JSON.parse(line));
  }
  function commit(entry: Omit<Commit, 'id'>): Commit {
    const made = {
      ...entry,
      id: createHash('sha1').update(`${commits.length}${randomUUID()}`).digest('hex'),
    };
    commits.push(made);
    if (file) appendFileSync(file, `${JSON.stringify(made)}\n`);
    return made;
  }
  const of = (owner: string, functionName: string, environment = main) =>
    commits.filter(
      (each) =>
        each.owner === owner && each.environment === environment && each.functionNames.includes(functionName),
    );
  const written = (owner: string, functionName: string, environment = main) => [
    { functionName, number: of(owner, functionName, environment).length },
  ];
  const state = {
    commits,
    away: 0,
    calls: 0,
    /** Functions that are held, and the builds that wait for them. */
    held: new Set<string>(),
    waiting: new Map<string, DeployIntent>(),
    secrets: [] as SecretsIntent[],
    secretsOutcome: { type: 'unchanged', commit: zeroSha, written: [] } as WriteOutcome,
    /** Called before a commit is made. */
    beforeCommit: async (_intent: DeployIntent) => {},
    promoted: [] as PromoteIntent[],
    /** A rollback to the version before the newest one. */
    takeBack(owner: string, functionName: string, environment = main) {
      const history = of(owner, functionName, environment);
      const { id: _, ...earlier } = history.at(-2)!;
      commit({ ...earlier, restores: history.length - 1 });
    },
    deployed: (owner: string, environment = main) => {
      const names = new Set(
        commits.filter((each) => each.owner === owner).flatMap((each) => each.functionNames),
      );
      return [...names].filter((name) => of(owner, name, environment).at(-1)?.kind === 'deploy').sort();
    },
    sourceOf: (owner: string, name: string, environment = main) =>
      (of(owner, name, environment).at(-1)?.intent as DeployIntent | undefined)?.provenance?.sourceCommit,
  };
  const writer: ManifestWriter = {
    async deploy(intent, signal) {
      state.calls += 1;
      if (state.away > 0) {
        state.away -= 1;
        throw new TowlineError('remote_unavailable', 'the GitOps repository cannot be reached');
      }
      await state.beforeCommit(intent);
      signal?.throwIfAborted();
      const { owner, functionName } = intent.spec;
      const { environment = main } = intent;
      const history = of(owner, functionName, environment);
      const same = history.find((each) => (each.intent as DeployIntent).buildId === intent.buildId);
      if (same)
        return { type: 'unchanged', commit: same.id, written: written(owner, functionName, environment) };
      if (state.held.has(functionName)) {
        state.waiting.set(intent.buildId, intent);
        return { type: 'held', reason: `${functionName} is held` };
      }
      const latest = history.at(-1);
      if (latest?.kind === 'deploy' && latest.repo !== intent.provenance.repo) {
        return {
          type: 'refused',
          code: 'name_taken',
          message: `"${functionName}" belongs to ${latest.repo}`,
        };
      }
      if (latest?.kind === 'deploy' && isDeepStrictEqual((latest.intent as DeployIntent).spec, intent.spec)) {
        return { type: 'unchanged', commit: latest.id, written: written(owner, functionName) };
      }
      const sources = history.map((each) => (each.intent as DeployIntent).provenance?.sourceCommit);
      if (intent.trigger === 'rebuild' && sources.slice(0, -1).includes(intent.provenance.sourceCommit)) {
        return { type: 'skipped', reason: 'this commit was replaced since' };
      }
      const made = commit({
        kind: 'deploy',
        environment,
        owner,
        repo: intent.provenance.repo,
        functionNames: [functionName],
        intent,
      });
      return { type: 'pushed', commit: made.id, written: written(owner, functionName, environment) };
    },
    async remove(intent) {
      const { environment = main } = intent;
      const made = commit({
        kind: 'remove',
        environment,
        owner: intent.owner,
        repo: intent.repo,
        functionNames: intent.functionNames,
        intent,
      });
      return {
        type: 'pushed',
        commit: made.id,
        written: intent.functionNames.flatMap((name) => written(intent.owner, name, environment)),
      };
    },
    async current(owner, environment = main) {
      return state.deployed(owner ?? '', environment).map((functionName) => ({
        owner: owner ?? '',
        environment,
        functionName,
        path: `tenants/${owner}/${functionName}.yaml`,
        blob: zeroSha,
        repo: of(owner ?? '', functionName, environment).at(-1)?.repo ?? null,
      }));
    },
    async history({ owner, functionName = '', environment }) {
      const entries = of(owner, functionName, environment).map((each, index) => ({
        commit: each.id,
        number: index + 1,
        image: (each.intent as DeployIntent).spec?.image ?? null,
        present: each.kind === 'deploy',
        sourceCommit: (each.intent as DeployIntent).provenance?.sourceCommit ?? null,
        buildId: (each.intent as DeployIntent).buildId ?? null,
        restores: each.restores ?? null,
        revertedBy: null,
      }));
      return entries.reverse() as HistoryEntry[];
    },
    async secrets(intent) {
      state.secrets.push(intent);
      return state.secretsOutcome;
    },
    revert: () => Promise.reject(new Error('not used')),
    undo: () => Promise.reject(new Error('not used')),
    hold: () => Promise.reject(new Error('not used')),
    resume: () => Promise.reject(new Error('not used')),
    async promote(intent) {
      state.promoted.push(intent);
      const { owner, functionName, from, to, buildId = '' } = intent;
      const origin = of(owner, functionName, from).find((each) => each.id === intent.commit);
      if (!origin) return { type: 'refused', code: 'not_found', message: 'there is no such commit' };
      const asked = { ...(origin.intent as DeployIntent), buildId, environment: to };
      const made = commit({ ...origin, environment: to, intent: asked });
      return { type: 'pushed', commit: made.id, written: written(owner, functionName, to) };
    },
    async afterHold({ functionName, buildId }) {
      const intent = state.waiting.get(buildId);
      if (!intent) return { type: 'skipped', reason: 'it waits no more' };
      if (state.held.has(functionName)) return { type: 'held', reason: `${functionName} is held` };
      state.waiting.delete(buildId);
      return writer.deploy(intent);
    },
    async withdraw({ reason, ...query }) {
      if (!state.waiting.delete(query.buildId)) return writer.afterHold(query);
      return { type: 'refused', code: 'build_cancelled', message: reason };
    },
    removals: () => Promise.reject(new Error('not used')),
    confirmRemoval: () => Promise.reject(new Error('not used')),
    rejectRemoval: () => Promise.reject(new Error('not used')),
    async configuration({ owner, functionName }) {
      const latest = of(owner, functionName).at(-1);
      return latest?.kind === 'deploy' ? (latest.intent as DeployIntent).spec : undefined;
    },
    diff: () => Promise.reject(new Error('not used')),
    at: () => Promise.reject(new Error('not used')),
  };
  return { writer, ...state, state };
}

/** Serves what was followed at once; `unhealthy` digests fail; `hold` keeps a follow until it is let go. */
export function createMemoryReconciler() {
  const served = new Map<string, string>();
  const state = {
    served,
    unhealthy: new Set<string>(),
    followed: [] as FollowTarget[],
    beforeLive: async (_target: FollowTarget, _signal: AbortSignal): Promise<FollowOutcome | undefined> =>
      undefined,
  };
  const reconciler: Reconciler = {
    nudge() {},
    async follow(target, onApplied, signal) {
      state.followed.push(target);
      onApplied();
      const early = await state.beforeLive(target, signal);
      if (early) return early;
      const place = target.environment ? [target.environment] : [];
      const key = [...place, target.owner, target.functionName].join('/');
      if (target.digest === null) {
        served.delete(key);
        return { type: 'removed' };
      }
      if (state.unhealthy.has(target.digest)) {
        return { type: 'failed', stage: 'live', cause: { code: 'unhealthy', message: 'it does not answer' } };
      }
      served.set(key, target.digest);
      return { type: 'live' };
    },
  };
  return { reconciler, state };
}

/** Obeys the handler's text: `fail`, `lines <n>`, `print <secret>`. The digest is of the text. */
export function createMemoryEngine() {
  const state = {
    running: 0,
    mostRunning: 0,
    started: [] as string[],
    aborted: [] as string[],
    requests: [] as BuildRequest[],
    /** Of all builds. */
    buildArgs: {} as Record<string, string>,
    /** Images that are no longer there. */
    gone: new Set<string>(),
    /** How many of the next builds fail, and why. */
    away: 0,
    fault: (): Error => new TowlineError('engine_unavailable', 'the engine cannot be reached'),
    gates: new Map<string, { enter: () => void; opened: Promise<void> }>(),
  };
  const engine: BuildEngine = {
    name: 'memory',
    registry: 'artifact.towline.internal',
    runsImages: false,
    get buildArgs() {
      return state.buildArgs;
    },
    has: async (image) => !state.gone.has(image),
    async build(request: BuildRequest) {
      const key = `${request.owner}/${request.repo}/${request.functionName}`;
      state.started.push(key);
      state.requests.push(request);
      state.running += 1;
      state.mostRunning = Math.max(state.mostRunning, state.running);
      try {
        const dir = join(request.contextDir, request.template?.handlerFolder ?? '');
        const text = readFileSync(join(dir, 'handler.js'), 'utf8').trim();
        if (state.away > 0) {
          state.away -= 1;
          throw state.fault();
        }
        await waitAtGate(key, request.signal);
        const [word, count] = text.split(' ');
        if (word === 'fail') throw new TowlineError('build_failed', 'the tests failed');
        const value = request.secrets[count ?? ''] ?? '';
        if (word === 'print') request.onLine(`the value is ${value}`);
        if (word === 'blurt') throw new TowlineError('build_failed', `no access with ${value}`);
        if (word === 'lines') for (let n = 1; n <= Number(count); n += 1) request.onLine(`line ${n}`);
        return {
          digest: `sha256:${createHash('sha256').update(text).digest('hex')}`,
          sizeBytes: text.length,
        };
      } catch (error) {
        if (request.signal.aborted) state.aborted.push(key);
        throw error;
      } finally {
        state.running -= 1;
      }
    },
  };
  async function waitAtGate(key: string, signal: AbortSignal): Promise<void> {
    const gate = state.gates.get(key);
    if (!gate) return;
    gate.enter();
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      void gate.opened.then(resolve);
    });
  }
  /** The next builds of a function wait there. */
  function gate(key: string): Gate {
    const entered = Promise.withResolvers<void>();
    const opened = Promise.withResolvers<void>();
    state.gates.set(key, { enter: entered.resolve, opened: opened.promise });
    return {
      entered: entered.promise,
      open: () => {
        state.gates.delete(key);
        opened.resolve();
      },
    };
  }
  return { engine, state, gate };
}

export function git(cwd: string, ...args: string[]): string {
  const identity = {
    GIT_AUTHOR_NAME: 'A',
    GIT_AUTHOR_EMAIL: 'a@x',
    GIT_COMMITTER_NAME: 'A',
    GIT_COMMITTER_EMAIL: 'a@x',
  };
  const env = gitEnvironment(path, identity);
  return execFileSync('git', args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** `{ hello: 'ok' }` is a stack of one function whose handler says "ok". */
export function stackFiles(functions: Record<string, string>): Record<string, string> {
  const rows = Object.keys(functions).map((name) => `  ${name}:\n    lang: node\n    handler: ./${name}\n`);
  const files = Object.entries(functions).map(([name, text]) => [`${name}/handler.js`, `${text}\n`]);
  return {
    'stack.yml': `version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n${rows.join('') || '  {}\n'}`,
    ...Object.fromEntries(files),
  };
}

export interface TestRepository {
  repository: PushEvent['repository'];
  dir: string;
  head(): string;
  /** Makes a commit of exactly these files and gives the event of its push. */
  commit(files: Record<string, string>, message?: string): PushEvent;
  event(before: string, after: string, ref?: string): PushEvent;
}

export function createRepository(root: string, owner: string, name: string): TestRepository {
  const dir = join(root, owner, name);
  mkdirSync(dir, { recursive: true });
  git(dir, 'init', '--quiet', '--initial-branch=main');
  const repository = {
    id: `${owner}/${name}`,
    name,
    owner,
    ownerId: `id-${owner}`,
    cloneUrl: `http://localhost/git/${owner}/${name}.git`,
    defaultBranch: 'main',
    private: false,
  };
  const head = () => {
    try {
      return git(dir, 'rev-parse', '--verify', '--quiet', 'refs/heads/main');
    } catch {
      return zeroSha;
    }
  };
  const event = (before: string, after: string, ref = 'refs/heads/main'): PushEvent => ({
    type: 'push',
    id: randomUUID(),
    scm: 'git',
    repository,
    actor: { name: 'Alice', email: 'alice@example.org', login: owner },
    ref,
    before,
    after,
  });
  return {
    repository,
    dir,
    head,
    event,
    commit(files, message = 'Change it') {
      const before = head();
      for (const entry of readdirSync(dir))
        if (entry !== '.git') rmSync(join(dir, entry), { recursive: true });
      for (const [file, text] of Object.entries(files)) {
        mkdirSync(dirname(join(dir, file)), { recursive: true });
        writeFileSync(join(dir, file), text);
      }
      git(dir, 'add', '--all');
      git(dir, 'commit', '--quiet', '--allow-empty', '-m', message);
      return event(before, head());
    },
  };
}

export function sign(body: string | Buffer, key = secret): string {
  return `sha256=${createHmac('sha256', key).update(body).digest('hex')}`;
}

export function createTemplates(root: string): TemplateCatalog {
  const dir = join(root, 'template-node');
  mkdirSync(join(dir, 'function'), { recursive: true });
  writeFileSync(join(dir, 'index.js'), '');
  const template = {
    language: 'node',
    dir,
    handlerFolder: 'function',
    command: ['node', 'index.js'],
    mode: 'http' as const,
    environment: {},
    buildSteps: [],
  };
  return {
    find: (language) => (language === 'node' ? template : undefined),
    languages: () => ['node'],
    isOpen: false,
    resolve: async (language) => (language === 'dockerfile' ? null : template),
  };
}

export function createSourceAccess(root: string, repositories: () => TestRepository[]): SourceAccess {
  return {
    async locate(repository) {
      return { url: join(root, repository.owner, repository.name), env: {} };
    },
    async *heads() {
      for (const each of repositories()) {
        const head = existsSync(each.dir) ? each.head() : zeroSha;
        if (head !== zeroSha) yield { repository: each.repository, branch: 'main', head };
      }
    },
  };
}

function catalogOf(served: Map<string, string>): FunctionCatalog {
  return {
    lookup: (owner, name) => {
      const digest = served.get(`${owner}/${name}`);
      return digest === undefined ? undefined : ({ image: findImage(owner, name, digest) } as CatalogEntry);
    },
  } as FunctionCatalog;
}
const images = new Map<string, string>();
const findImage = (owner: string, name: string, digest: string) =>
  images.get(`${owner}/${name}@${digest}`) ?? digest;

/** A builder among in-memory neighbours, with its own folder and webhook server. */
export async function createPlatform(
  options: {
    config?: Partial<BuilderConfig>;
    start?: boolean;
    buildSecrets?: BuildSecrets;
    prebuilt?: PrebuiltImages;
    refs?: RefTargets;
  } = {},
) {
  const root = mkdtempSync(join(tmpdir(), 'towline-builder-'));
  const writer = createMemoryWriter();
  const reconciler = createMemoryReconciler();
  const engine = createMemoryEngine();
  const events = createEventBus();
  const seen: PlatformEvent[] = [];
  events.subscribe((event) => {
    seen.push(event);
    if (event.type !== 'push.changed') return;
    for (const { owner, functionName, image } of event.push.deploys) {
      if (image) images.set(`${owner}/${functionName}@${image.split('@')[1]}`, image);
    }
  });
  const repositories: TestRepository[] = [];
  const logged: string[] = [];
  const logger = createLogger(
    { level: 'debug', name: 'builder' },
    { write: (line: string) => void logged.push(line) },
  );
  const config: BuilderConfig = {
    databasePath: join(root, 'builder.db'),
    logsDir: join(root, 'logs'),
    workDir: join(root, 'work'),
    webhookSecrets: [secret, 'older-secret'],
    path,
    buildTimeoutMs: 60_000,
    maxConcurrentBuilds: 2,
    maxLogBytes: 10_000_000,
    maxContextBytes: 5_000_000,
    readyFollowTimeoutMs: 60_000,
    retry: { firstMs: 5, maxMs: 20 },
    webhookGraceMs: 20,
    ...options.config,
  };
  const make = () =>
    createBuilder(config, {
      logger,
      manifestWriter: writer.writer,
      reconciler: reconciler.reconciler,
      events,
      sourceAccess: createSourceAccess(root, () => repositories),
      engine: engine.engine,
      templates: createTemplates(root),
      functionUrl: (owner, name, environment) =>
        `http://${owner}${environment ? `.${environment}` : ''}.localhost/${name}`,
      refs: options.refs,
      catalogOf: () => catalogOf(reconciler.state.served),
      buildSecrets: options.buildSecrets,
      prebuilt: options.prebuilt,
    });
  let builder: Builder = await make();
  const server = createServer((req, res) => builder.webhook(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/git`;
  if (options.start !== false) {
    await builder.start();
    await builder.drain();
  }

  async function post(body: string | Buffer, headers: Record<string, string> = {}) {
    return fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-towline-signature-256': sign(body), ...headers },
      body: body as BodyInit,
    });
  }

  return {
    root,
    url,
    config,
    writer: writer.state,
    reconciler: reconciler.state,
    engine: engine.state,
    gate: engine.gate,
    events,
    seen,
    logged,
    post,
    builder: () => builder,
    repo(owner: string, name: string) {
      const made = createRepository(root, owner, name);
      repositories.push(made);
      return made;
    },
    forget: (repo: TestRepository) => void repositories.splice(repositories.indexOf(repo), 1),
    async send(event: SourceEvent) {
      const response = await post(JSON.stringify(event));
      return { status: response.status, ...((await response.json()) as { id: string; duplicate?: boolean }) };
    },
    /** Sends the event and waits for its end. */
    async deliver(event: SourceEvent): Promise<PushRecord> {
      const { id } = await this.send(event);
      await builder.drain();
      return (await builder.push(id))!;
    },
    async logOf(pushId: string): Promise<string[]> {
      const lines: string[] = [];
      for await (const { text } of builder.log(pushId, 0, AbortSignal.timeout(120_000))) lines.push(text);
      return lines;
    },
    /** Stops the builder, or leaves it as a death does, and makes another over the same folder. */
    async restart({ abandon = false } = {}) {
      if (!abandon) await builder[Symbol.asyncDispose]();
      builder = await make();
      await builder.start();
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await builder[Symbol.asyncDispose]();
      rmSync(root, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

export const summary = (push: PushRecord) =>
  Object.fromEntries(push.deploys.map((deploy) => [deploy.functionName ?? '(none)', deploy.state]));
