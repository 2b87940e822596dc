import type { FunctionDetail, FunctionSummary } from '../../../core/api.ts';
import type { LogLine } from '../../../core/deploy.ts';
import type { HistoryEntry } from '../../../core/manifest-writer.ts';
import type { StubState } from './platform-stub.ts';
import { deploy, entry, history, imageOf, logLine, me, push, sha, summary } from './records.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

export const manifest = `apiVersion: openfaas.com/v1
kind: Function
metadata:
  name: demo-hello
  namespace: openfaas-fn
  labels:
    com.openfaas.git-owner: demo
    com.openfaas.git-repo: app
    com.openfaas.git-sha: a1b2c3d4e5a1b2c3d4e5a1b2c3d4e5a1b2c3d4e5
  annotations:
    towline.dev/git-repo: app
    towline.dev/git-branch: main
spec:
  name: demo-hello
  image: ${imageOf('hello', 'ab')}
  environment:
    GREETING: Good morning
  limits:
    memory: 128Mi
  readOnlyRootFilesystem: true
`;

const unified = `diff --git a/tenants/demo/hello.yaml b/tenants/demo/hello.yaml
index 1f0c2aa..77ab0e1 100644
--- a/tenants/demo/hello.yaml
+++ b/tenants/demo/hello.yaml
@@ -8,3 +8,3 @@ metadata:
     com.openfaas.git-repo: app
-    com.openfaas.git-sha: a1b2c3d4e5a1b2c3d4e5a1b2c3d4e5a1b2c3d4e5
+    com.openfaas.git-sha: 77ab0e19f077ab0e19f077ab0e19f077ab0e19f0
   annotations:
@@ -14,6 +14,5 @@ spec:
   name: demo-hello
-  image: ${imageOf('hello', 'ab')}
+  image: ${imageOf('hello', 'cd')}
   environment:
-    GREETING: Good morning
-    LOUD: "1"
+    GREETING: Hello
   limits:
`;

export function exampleFunctions(): FunctionSummary[] {
  const now = Date.now();
  const failed = deploy({
    id: 'd-9',
    pushId: 'p-9',
    functionName: 'pay',
    state: 'failed',
    stage: 'build',
    number: null,
    sourceSubject: 'Charge in cents',
    cause: {
      code: 'build_failed',
      message: '"npm ci" failed: the lock file does not match package.json',
      place: { file: 'pay/package.json', line: 7 },
      hint: 'Run "npm install" in pay/ and commit package-lock.json.',
    },
    createdAt: now - 12 * minute,
    updatedAt: now - 12 * minute,
  });
  const building = deploy({
    id: 'd-10',
    pushId: 'p-10',
    functionName: 'thumbnail',
    state: 'building',
    stage: 'build',
    number: null,
    sourceCommit: sha('c0ffee1'),
    sourceSubject: 'Use the new codec',
    createdAt: now - 20_000,
    updatedAt: now - 20_000,
  });
  return [
    summary({
      functionName: 'hello',
      number: 4,
      deployedAt: now - 2 * hour,
      sourceSubject: 'Greet in the morning',
    }),
    summary({
      functionName: 'pay',
      repo: 'shop',
      number: 18,
      sourceCommit: sha('9f1c2aa'),
      sourceSubject: 'Add Italian VAT',
      author: 'Lee Wong',
      deployedAt: now - 3 * day,
      lastDeploy: failed,
    }),
    summary({
      functionName: 'thumbnail',
      repo: 'media',
      number: 7,
      sourceCommit: sha('77ab0e1'),
      sourceSubject: 'Resize without reading the whole file into memory, and keep the colour profile',
      deployedAt: now - 26 * hour,
      lastDeploy: building,
    }),
    summary({
      functionName: 'report',
      repo: 'shop',
      status: 'Degraded',
      reason: 'restarted 3 times in the last minute: exit 1, "Cannot find module pg"',
      number: 2,
      sourceCommit: sha('0d15ea5'),
      sourceSubject: 'Query the replica',
      author: 'Lee Wong',
      deployedAt: now - 40 * minute,
    }),
    summary({
      functionName: 'nightly-cleanup',
      status: 'Asleep',
      number: 1,
      sourceCommit: sha('d1a3466'),
      sourceSubject: 'Delete carts older than 30 days',
      deployedAt: now - 21 * day,
    }),
  ];
}

export function exampleHistory(): HistoryEntry[] {
  const now = Date.now();
  return [
    history({
      commit: sha('4be1f07'),
      number: 4,
      current: true,
      subject: 'deploy(demo/hello): #4 a1b2c3d Greet in the morning',
      committedAt: now - 2 * hour,
      buildId: 'd-4',
    }),
    history({
      commit: sha('3cd0e96'),
      number: 3,
      kind: 'revert',
      subject: 'revert(demo/hello): #3 to #1',
      reason: '500s on /hello after the new parser',
      restores: 1,
      reverts: sha('2bc9d85'),
      sourceCommit: sha('77ab0e19f0'),
      image: imageOf('hello', 'cd'),
      actor: 'demo (dashboard)',
      committedAt: now - 5 * hour,
    }),
    history({
      commit: sha('2bc9d85'),
      number: 2,
      subject: 'deploy(demo/hello): #2 5eed123 Parse the name ourselves',
      revertedBy: 3,
      sourceCommit: sha('5eed123'),
      image: imageOf('hello', 'ef'),
      committedAt: now - 6 * hour,
    }),
    history({
      commit: sha('1ab8c74'),
      number: 1,
      subject: 'deploy(demo/hello): #1 77ab0e1 Say hello',
      sourceCommit: sha('77ab0e19f0'),
      image: imageOf('hello', 'cd'),
      committedAt: now - 2 * day,
    }),
  ];
}

/** A log with everything in it that a viewer can get wrong. */
export function exampleLog(lines: number): LogLine[] {
  const phase = (n: number, text: string, stage: LogLine['stage']) =>
    logLine(n, text, { kind: 'phase', stage });
  const log: LogLine[] = [
    phase(1, 'clone demo/app at a1b2c3d', 'clone'),
    phase(2, 'stack.yml: 1 function', 'detect'),
    phase(3, 'build hello (node)', 'build'),
    logLine(4, 'npm \u001b[33mwarn\u001b[39m deprecated foo@1.2.3: use bar'),
    logLine(5, 'fetching  10%\rfetching  55%\rfetching 100%'),
  ];
  for (let n = 6; n <= lines; n++) {
    const text =
      n % 9 === 0
        ? `\u001b[32m✔\u001b[0m test ${n} \u001b[2m(${n % 13} ms)\u001b[0m`
        : `compile module-${n}.js`;
    log.push(logLine(n, n % 40 === 0 ? `${text} ${'a long line goes on '.repeat(14)}` : text));
  }
  return log;
}

export function exampleState(): StubState {
  const functions = exampleFunctions();
  const now = Date.now();
  const steps = (start: number) => [
    { stage: 'queue' as const, startedAt: start, endedAt: start + 40 },
    { stage: 'clone' as const, startedAt: start + 40, endedAt: start + 400 },
    { stage: 'detect' as const, startedAt: start + 400, endedAt: start + 460 },
  ];
  const live = deploy({
    id: 'd-4',
    pushId: 'p-4',
    number: 4,
    gitopsCommit: sha('4be1f07'),
    steps: [
      ...steps(now - 2 * hour),
      { stage: 'build', startedAt: now - 2 * hour + 460, endedAt: now - 2 * hour + 1900 },
      { stage: 'commit', startedAt: now - 2 * hour + 1900, endedAt: now - 2 * hour + 1960 },
      { stage: 'apply', startedAt: now - 2 * hour + 1960, endedAt: now - 2 * hour + 2400 },
    ],
  });
  const [, pay, thumbnail] = functions;
  const failed = pay?.lastDeploy ?? live;
  const building = thumbnail?.lastDeploy ?? live;
  failed.steps = [
    ...steps(failed.createdAt),
    { stage: 'build', startedAt: failed.createdAt + 460, endedAt: failed.createdAt + 5200 },
  ];
  building.steps = [
    ...steps(building.createdAt),
    { stage: 'build', startedAt: building.createdAt + 460, endedAt: null },
  ];
  const detail: FunctionDetail = {
    summary: functions[0] ?? summary(),
    entry: entry(),
    current: exampleHistory()[0] ?? null,
    manifest,
    environments: [],
  };
  return {
    me: me(['demo', 'shop-team']),
    embed: true,
    functions,
    details: { hello: detail },
    history: { hello: exampleHistory() },
    diff: {
      from: sha('4be1f07'),
      to: sha('1ab8c74'),
      unified,
      summary: [
        'image sha256:abababababab → sha256:cdcdcdcdcdcd',
        'env GREETING changed',
        'env LOUD removed',
      ],
    },
    pushes: [
      push({
        id: 'p-10',
        repo: 'media',
        state: 'running',
        after: sha('c0ffee1'),
        deploys: [building],
        createdAt: building.createdAt,
      }),
      push({
        id: 'p-9',
        repo: 'shop',
        after: sha('bada55e'),
        deploys: [failed],
        createdAt: failed.createdAt,
        updatedAt: failed.createdAt + 5300,
      }),
      push({
        id: 'p-8',
        ref: 'refs/heads/feature/colours',
        after: sha('feed123'),
        note: 'The branch feature/colours is not deployed; only main is.',
        createdAt: now - hour,
        updatedAt: now - hour + 90,
      }),
      push({
        id: 'p-7',
        repo: 'shop',
        after: sha('badc0de'),
        createdAt: now - 90 * minute,
        updatedAt: now - 90 * minute + 600,
        deploys: [
          deploy({
            id: 'd-7',
            pushId: 'p-7',
            functionName: null,
            state: 'failed',
            stage: 'detect',
            sourceSubject: 'Tidy the stack',
            number: null,
            cause: {
              code: 'language_unknown',
              message: 'unknown language "nodejs99"',
              place: { file: 'stack.yml', line: 6, column: 11 },
              hint: 'Known languages: node, python3-http.',
            },
          }),
        ],
      }),
      push({ id: 'p-4', deploys: [live], createdAt: now - 2 * hour, updatedAt: now - 2 * hour + 2400 }),
    ],
    repos: [
      {
        owner: 'demo',
        ownerId: 'o-1',
        name: 'app',
        defaultBranch: 'main',
        cloneUrl: 'http://localhost:8080/git/demo/app.git',
        pushedAt: now - 2 * hour,
      },
      {
        owner: 'demo',
        ownerId: 'o-1',
        name: 'shop',
        defaultBranch: 'main',
        cloneUrl: 'http://localhost:8080/git/demo/shop.git',
        pushedAt: now - 12 * minute,
      },
    ],
    logs: {
      'output of hello': [
        'listening on port 8080',
        'GET / \u001b[32m200\u001b[0m 3 ms',
        'GET /teapot 418',
      ].map((text, at) => logLine(at + 1, text)),
      'p-4': exampleLog(120),
      'p-9': [
        ...exampleLog(60),
        logLine(61, 'npm error code EUSAGE: package.json and package-lock.json are not in sync', {
          kind: 'error',
        }),
        logLine(62, 'build failed: "npm ci" failed', { kind: 'error' }),
      ],
      'p-10': exampleLog(300),
    },
    openLogs: new Set(['p-10']),
    removals: [],
    change: () => ({ status: 200, body: { commit: sha('5fe2a18'), number: 5, unchanged: false } }),
    revert: () => ({ status: 200, body: { commit: sha('5fe2a18'), number: 5, unchanged: false } }),
  };
}
