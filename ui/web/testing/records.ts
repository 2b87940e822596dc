import type { FunctionSummary, Me } from '../../../core/api.ts';
import type { CatalogEntry } from '../../../core/catalog.ts';
import type { DeployRecord, LogLine, PushRecord } from '../../../core/deploy.ts';
import type { HistoryEntry, PendingRemoval } from '../../../core/manifest-writer.ts';

/** Records with believable values, for tests; each test says only what it is about. */

export const sha = (digit: string) => digit.repeat(40).slice(0, 40);
export const imageOf = (name: string, hex: string) =>
  `artifact.towline.internal/demo/app-${name}:latest-main-${hex.slice(0, 7)}@sha256:${hex.repeat(64).slice(0, 64)}`;

const person = { name: 'Dana Miller', email: 'dana@example.com', login: 'demo' };

export function me(owners = ['demo']): Me {
  return {
    identity: {
      ownerId: 'o-1',
      owner: 'demo',
      name: 'Dana Miller',
      email: 'dana@example.com',
      role: 'member',
      via: 'session',
    },
    owners,
    mayChange: owners,
    gitBaseUrl: 'http://localhost:8080/git',
    version: '0.1.0',
    environments: ['default'],
    hasOutput: true,
  };
}

export function deploy(over: Partial<DeployRecord> = {}): DeployRecord {
  const createdAt = over.createdAt ?? Date.now() - 60_000;
  return {
    id: 'd-1',
    pushId: 'p-1',
    owner: 'demo',
    ownerId: 'o-1',
    repo: 'app',
    branch: 'main',
    functionName: 'hello',
    sourceCommit: sha('a1b2c3d4e5'),
    sourceSubject: 'Fix greeting',
    actor: person,
    state: 'live',
    stage: 'live',
    cause: null,
    steps: [],
    image: imageOf('hello', 'ab'),
    gitopsCommit: null,
    number: 3,
    warnings: [],
    createdAt,
    updatedAt: createdAt,
    ...over,
  };
}

export function push(over: Partial<PushRecord> = {}): PushRecord {
  const createdAt = over.createdAt ?? Date.now() - 60_000;
  return {
    id: 'p-1',
    owner: 'demo',
    ownerId: 'o-1',
    repo: 'app',
    ref: 'refs/heads/main',
    before: sha('0'),
    after: sha('a1b2c3d4e5'),
    actor: person,
    state: 'done',
    note: null,
    deploys: [],
    createdAt,
    updatedAt: createdAt,
    ...over,
  };
}

export function summary(over: Partial<FunctionSummary> = {}): FunctionSummary {
  const functionName = over.functionName ?? 'hello';
  return {
    owner: 'demo',
    environment: 'default',
    functionName,
    url: `http://demo.localhost:8080/${functionName}`,
    status: 'Ready',
    serving: over.status ?? 'Ready',
    hold: null,
    waiting: null,
    reason: null,
    repo: 'app',
    branch: 'main',
    sourceCommit: sha('a1b2c3d4e5'),
    sourceSubject: 'Fix greeting',
    author: 'Dana Miller',
    number: 3,
    deployedAt: Date.now() - 3_600_000,
    lastDeploy: null,
    ...over,
  };
}

export function entry(over: Partial<CatalogEntry> = {}): CatalogEntry {
  return {
    owner: 'demo',
    ownerId: 'o-1',
    functionName: 'hello',
    status: 'Ready',
    hold: null,
    access: 'public',
    reason: null,
    publicReason: null,
    image: imageOf('hello', 'ab'),
    desiredImage: imageOf('hello', 'ab'),
    repo: 'app',
    branch: 'main',
    sourceCommit: sha('a1b2c3d4e5'),
    targets: [{ origin: 'http://127.0.0.1:21001' }],
    restarts: 0,
    since: Date.now() - 3_600_000,
    ...over,
  };
}

export function history(over: Partial<HistoryEntry> = {}): HistoryEntry {
  return {
    commit: sha('4be1f07'),
    owner: 'demo',
    functionName: 'hello',
    number: 1,
    kind: 'deploy',
    subject: 'deploy(demo/hello): #1 a1b2c3d Fix greeting',
    author: { name: 'Dana Miller', email: 'dana@example.com' },
    committedAt: Date.now() - 3_600_000,
    sourceCommit: sha('a1b2c3d4e5'),
    source: 'http://localhost:8080/git/demo/app.git',
    image: imageOf('hello', 'ab'),
    buildId: null,
    actor: 'demo (push)',
    reason: null,
    reverts: null,
    restores: null,
    revertedBy: null,
    direct: false,
    current: false,
    present: true,
    ...over,
  };
}

export function removal(over: Partial<PendingRemoval> = {}): PendingRemoval {
  return {
    id: 'r-1',
    owner: 'demo',
    ownerId: 'o-1',
    repo: 'shop',
    reason: 'no longer in stack.yml',
    actor: 'lee',
    functionNames: Array.from({ length: 31 }, (_, index) => `page-${index + 1}`),
    limit: 25,
    askedAt: Date.now() - 4 * 60_000,
    state: 'waiting',
    ...over,
  };
}

export function logLine(n: number, text: string, over: Partial<LogLine> = {}): LogLine {
  return { n, time: Date.now(), functionName: 'hello', stage: 'build', kind: 'output', text, ...over };
}
