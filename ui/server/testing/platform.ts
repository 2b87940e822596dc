import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Accounts, Authenticator, Workloads } from '../../../core/auth.ts';
import type { BuildService } from '../../../core/build-service.ts';
import type { CatalogEntry, FunctionCatalog, FunctionStatus } from '../../../core/catalog.ts';
import type { DeployRecord, LogLine, PushRecord } from '../../../core/deploy.ts';
import { defaultEnvironment, type ServedEnvironment } from '../../../core/environments.ts';
import { TowlineError } from '../../../core/errors.ts';
import type { EventBus } from '../../../core/events.ts';
import type { FunctionOutput } from '../../../core/function-output.ts';
import type { AnnouncedImage } from '../../../core/images.ts';
import type {
  HistoryEntry,
  ManifestWriter,
  PendingRemoval,
  RevertIntent,
  WriteOutcome,
} from '../../../core/manifest-writer.ts';
import type { HostedRepository, RepositoryHost } from '../../../core/repository-host.ts';
import type { Person } from '../../../core/source-event.ts';
import { createEventBus } from '../../../runtime/event-bus.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { createPlatformApi, type PlatformApi } from '../index.ts';

/** In-memory rooms around the platform API, which tests fill and look into. */
export interface FakeRooms {
  entries: CatalogEntry[];
  history: HistoryEntry[];
  deploys: DeployRecord[];
  pushes: PushRecord[];
  lines: Map<string, LogLine[]>;
  /** What functions print, by `owner/name`. */
  output: Map<string, LogLine[]>;
  repositories: HostedRepository[];
  pending: Map<string, { status: FunctionStatus; reason: string }>;
  revertOutcome: WriteOutcome;
  reverts: RevertIntent[];
  /** What else was asked of the writer. */
  written: Record<string, unknown>[];
  removals: PendingRemoval[];
  announced: AnnouncedImage[];
  rebuilds: { pushId: string; actor: Person; force?: boolean | undefined }[];
  cancels: { pushId: string; actor: Person }[];
  deletions: { owner: string; name: string; actor: Person }[];
  historyReads: number;
  /** Wakes whoever follows a log. */
  logChanged(): void;
}

export function createFakeRooms(): FakeRooms & { wait(signal: AbortSignal): Promise<void> } {
  const waiting = new Set<() => void>();
  return {
    entries: [],
    history: [],
    deploys: [],
    pushes: [],
    lines: new Map(),
    output: new Map(),
    repositories: [],
    pending: new Map(),
    revertOutcome: { type: 'pushed', commit: sha('9'), written: [{ functionName: 'hello', number: 9 }] },
    reverts: [],
    written: [],
    removals: [],
    rebuilds: [],
    announced: [],
    cancels: [],
    deletions: [],
    historyReads: 0,
    logChanged() {
      for (const wake of waiting) wake();
    },
    wait: (signal) =>
      new Promise((resolve) => {
        const wake = () => {
          waiting.delete(wake);
          resolve();
        };
        waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      }),
  };
}

type Rooms = ReturnType<typeof createFakeRooms>;

export function fakeBuilds(rooms: Rooms): BuildService {
  return {
    pushes: async ({ owner, repo, limit }) =>
      rooms.pushes.filter((push) => push.owner === owner && (!repo || push.repo === repo)).slice(0, limit),
    push: async (id) => rooms.pushes.find((push) => push.id === id),
    deploy: async (id) => rooms.deploys.find((deploy) => deploy.id === id),
    heldDeploys: async (owner) =>
      rooms.deploys.filter((deploy) => deploy.state === 'held' && (!owner || deploy.owner === owner)),
    latestDeploys: async (owner) => rooms.deploys.filter((deploy) => !owner || deploy.owner === owner),
    async *log(pushId, after, signal) {
      let next = after;
      for (;;) {
        const lines = rooms.lines.get(pushId) ?? [];
        for (const line of lines.filter(({ n }) => n > next)) {
          if (signal.aborted) return;
          next = line.n;
          yield line;
        }
        if (signal.aborted || rooms.pushes.find(({ id }) => id === pushId)?.state === 'done') return;
        await rooms.wait(signal);
      }
    },
    async announce(image) {
      rooms.announced.push(image);
      return { id: `image-${rooms.announced.length}`, duplicate: false };
    },
    async rebuild(pushId, actor, options) {
      rooms.rebuilds.push({ pushId, actor, ...options });
      return 'rebuilt';
    },
    async cancel(pushId, actor) {
      rooms.cancels.push({ pushId, actor });
    },
  };
}

export function fakeWriter(rooms: Rooms): ManifestWriter {
  const unused = () => Promise.reject(new Error('not a part of the platform API'));
  const written = (verb: string, intent: object): WriteOutcome => {
    rooms.written.push({ verb, ...intent });
    return rooms.revertOutcome;
  };
  return {
    deploy: unused,
    secrets: unused,
    remove: async (intent) => written('remove', intent),
    current: async (owner, environment = 'default') =>
      rooms.history
        .filter((entry) => entry.owner === owner && entry.current && entry.present)
        .map((entry) => ({ ...entry, environment, path: '', blob: '', repo: 'app' })),
    afterHold: unused,
    withdraw: unused,
    undo: async (intent) => written('undo', intent),
    hold: async (intent) => written('hold', intent),
    resume: async (intent) => written('resume', intent),
    promote: async (intent) => written('promote', intent),
    removals: async (ownerId) => rooms.removals.filter((one) => one.ownerId === ownerId),
    confirmRemoval: async (answer) => written('confirm', answer),
    async rejectRemoval(answer) {
      return rooms.removals.some(({ id, ownerId }) => id === answer.id && ownerId === answer.ownerId);
    },
    async revert(intent) {
      rooms.reverts.push(intent);
      return rooms.revertOutcome;
    },
    async history({ owner, functionName, limit }) {
      rooms.historyReads++;
      return rooms.history
        .filter((entry) => entry.owner === owner && (!functionName || entry.functionName === functionName))
        .slice(0, limit);
    },
    configuration: async () => undefined,
    async diff({ functionName, from, to }) {
      if (!rooms.history.some((entry) => entry.functionName === functionName && entry.commit === to))
        throw new TowlineError('not_found', 'no such commit');
      return { from, to, unified: `diff of ${functionName}`, summary: [] };
    },
    at: async ({ functionName, commit }) => `# ${functionName} at ${commit}\n`,
  };
}

export function fakeCatalog(rooms: Rooms): FunctionCatalog {
  const lookup = (owner: string, name: string) =>
    rooms.entries.find((entry) => entry.owner === owner && entry.functionName === name);
  return {
    lookup,
    hasOwner: (owner) => rooms.entries.some((entry) => entry.owner === owner),
    list: (owner) => rooms.entries.filter((entry) => !owner || entry.owner === owner),
    subscribe: () => () => undefined,
    wake: () => Promise.reject(new TowlineError('unavailable', 'not here')),
    touch: () => undefined,
  };
}

/** What is there is told at once; following goes on while there is an output, and somebody who listens. */
function fakeOutput(rooms: Rooms): FunctionOutput {
  return {
    async *lines({ owner, functionName }, { last, follow }, signal) {
      const key = `${owner}/${functionName}`;
      let told = rooms.output.get(key) ?? [];
      yield* told.slice(-last);
      while (follow && !signal.aborted && rooms.output.has(key)) {
        const lines = rooms.output.get(key) ?? [];
        yield* lines.slice(told.length);
        told = [...lines];
        await rooms.wait(signal);
      }
    },
  };
}

function fakeRepositories(rooms: Rooms): RepositoryHost {
  return {
    list: async (owner) => rooms.repositories.filter((repository) => repository.owner === owner),
    async delete(owner, name, actor) {
      if (!rooms.repositories.some((each) => each.owner === owner && each.name === name))
        throw new TowlineError('not_found', 'there is no such repository');
      rooms.deletions.push({ owner, name, actor });
    },
  };
}

export interface TestServer extends AsyncDisposable {
  origin: string;
  api: PlatformApi;
  rooms: FakeRooms;
  events: EventBus;
}

/** A real HTTP server with the platform API; `makeAuth` is told its origin. */
export async function startPlatformApi(options: {
  makeAuth: (origin: string) => Promise<Authenticator & Accounts & { workloads?: Workloads }>;
  webDir?: string;
  heartbeatMs?: number;
  recheckMs?: number;
  /** As where functions' output is read with the cluster's own tools. */
  withoutOutput?: boolean;
}): Promise<TestServer> {
  const rooms = createFakeRooms();
  const events = createEventBus();
  const holder: { api?: PlatformApi } = {};
  const server = createServer((req, res) => holder.api?.handle(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const auth = await options.makeAuth(origin);
  const served: ServedEnvironment = {
    name: defaultEnvironment,
    catalog: fakeCatalog(rooms),
    functionUrl: (owner, name) => `http://${owner}.localhost/${name}`,
    output: fakeOutput(rooms),
  };
  const api = await createPlatformApi(
    {
      publicOrigin: origin,
      gitBaseUrl: `${origin}/git`,
      webDir: options.webDir ?? '/nonexistent',
      version: '1.2.3',
      heartbeatMs: options.heartbeatMs,
      recheckMs: options.recheckMs,
    },
    {
      logger: createLogger({ level: 'silent', name: 'test' }),
      authenticator: auth,
      accounts: auth,
      workloads: auth.workloads,
      catalog: fakeCatalog(rooms),
      environments: options.withoutOutput ? undefined : [served],
      pending: {
        pending(owner, name) {
          const found = rooms.pending.get(`${owner}/${name}`);
          return found && { ...found, publicReason: 'it is not there yet' };
        },
      },
      writer: fakeWriter(rooms),
      builds: fakeBuilds(rooms),
      events,
      repositories: fakeRepositories(rooms),
      functionUrl: (owner, name) => `http://${owner}.localhost/${name}`,
      createLoginLink: async (ownerId) => `${origin}/login?ticket=of-${ownerId}`,
    },
  );
  holder.api = api;
  return {
    origin,
    api,
    rooms,
    events,
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function sha(digit: string): string {
  return digit.repeat(40);
}

export const imageOf = (digit: string) => `registry/x@sha256:${digit.repeat(64)}`;

const person: Person = { name: 'Dana', email: 'dana@example.com', login: 'dana' };

export function catalogEntry(of: Partial<CatalogEntry> & { ownerId: string }): CatalogEntry {
  return {
    owner: 'alex',
    functionName: 'hello',
    status: 'Ready',
    hold: null,
    access: 'public',
    reason: null,
    publicReason: null,
    image: imageOf('1'),
    desiredImage: imageOf('1'),
    repo: 'app',
    branch: 'main',
    sourceCommit: sha('a'),
    targets: [],
    restarts: 0,
    since: 1_000,
    ...of,
  };
}

export function pendingRemoval(ownerId: string): PendingRemoval {
  return {
    id: 'r1',
    owner: 'alex',
    ownerId,
    repo: 'app',
    reason: 'gone from stack.yml',
    actor: 'alex',
    functionNames: ['hello'],
    limit: 25,
    askedAt: 0,
    state: 'waiting',
  };
}

export function historyEntry(of: Partial<HistoryEntry> = {}): HistoryEntry {
  return {
    commit: sha('1'),
    owner: 'alex',
    functionName: 'hello',
    number: 1,
    kind: 'deploy',
    subject: 'deploy(alex/hello): #1',
    author: { name: 'Dana', email: 'dana@example.com' },
    committedAt: 1_000,
    sourceCommit: sha('a'),
    source: null,
    image: imageOf('1'),
    buildId: 'deploy-1',
    actor: 'dana',
    reason: null,
    reverts: null,
    restores: null,
    revertedBy: null,
    direct: false,
    current: true,
    present: true,
    ...of,
  };
}

export function deployRecord(of: Partial<DeployRecord> & { ownerId: string }): DeployRecord {
  return {
    id: 'deploy-1',
    pushId: 'push-1',
    owner: 'alex',
    repo: 'app',
    branch: 'main',
    functionName: 'hello',
    sourceCommit: sha('a'),
    sourceSubject: 'Fix greeting',
    actor: person,
    state: 'live',
    stage: 'live',
    cause: null,
    steps: [],
    image: imageOf('1'),
    gitopsCommit: sha('1'),
    number: 1,
    warnings: [],
    createdAt: 900,
    updatedAt: 1_100,
    ...of,
  };
}

export function pushRecord(of: Partial<PushRecord> & { ownerId: string }): PushRecord {
  return {
    id: 'push-1',
    owner: 'alex',
    repo: 'app',
    ref: 'refs/heads/main',
    before: sha('0'),
    after: sha('a'),
    actor: person,
    state: 'done',
    note: null,
    deploys: [],
    createdAt: 900,
    updatedAt: 1_100,
    ...of,
  };
}

export function logLine(n: number, text: string, of: Partial<LogLine> = {}): LogLine {
  return { n, time: n, functionName: null, stage: 'build', kind: 'output', text, ...of };
}
