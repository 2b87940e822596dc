import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { emptyConfiguration } from '../core/function-spec.ts';
import type { DeployIntent, ManifestWriter } from '../core/manifest-writer.ts';
import {
  createGitOpsRepository,
  createManifestWriter,
  createManifestWriterCalls,
} from '../manifest-writer/index.ts';
import { createEventBus } from '../runtime/event-bus.ts';
import { createLogger } from '../runtime/logger.ts';
import { createHttpManifestWriter } from '../runtime/services/manifest-writer-http.ts';
import { parseServiceTokens } from '../runtime/services/service-tokens.ts';
import { percentile, report } from './figures.ts';

/*
 * What a call between services costs: deploys that become pushed commits, and a small question, asked of a
 * manifest-writer in process and over HTTP in turns. Both ends of the HTTP are in this one process, so that it pays for
 * both.
 */

const { values } = parseArgs({
  options: {
    deploys: { type: 'string', default: '60' },
    questions: { type: 'string', default: '2000' },
    submitters: { type: 'string', default: '64' },
  },
});
const path = process.env['PATH'] ?? '';
const committer = { name: 'Towline', email: 'towline@towline.invalid' };
const logger = createLogger({ level: 'silent', name: 'bench' });
const hex = (n: number, length: number) => n.toString(16).padStart(length, '0');
let builds = 0;

function intent(): DeployIntent {
  builds += 1;
  return {
    buildId: `build-${builds}`,
    trigger: 'push',
    sourceSubject: 'Fix greeting',
    actor: { name: 'Alice Doe', email: 'alice@example.org', login: 'alice' },
    spec: {
      owner: 'alice',
      functionName: 'hello',
      image: `registry.example.org/alice/app-hello:latest-main-${hex(builds, 7)}@sha256:${hex(builds, 64)}`,
      ...emptyConfiguration(),
      environment: { GREETING: 'hello' },
    },
    provenance: {
      owner: 'alice',
      ownerId: 'id-of-alice',
      repo: 'app',
      branch: 'main',
      sourceCommit: hex(builds, 40),
      scm: 'git',
      private: false,
      repoUrl: 'https://git.example.org/alice/app.git',
    },
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

const folder = await mkdtemp(join(tmpdir(), 'towline-bench-calls-'));
await using stack = new AsyncDisposableStack();
stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
const remoteUrl = join(folder, 'gitops.git');
await createGitOpsRepository({
  path: remoteUrl,
  templateDir: join(import.meta.dirname, '../gitops-repo-template/base'),
  branch: 'main',
  committer,
  env: { PATH: path },
});
const writer = stack.use(
  await createManifestWriter(
    {
      remoteUrl,
      clonePath: join(folder, 'writer.git'),
      branch: 'main',
      committer,
      namespace: 'openfaas-fn',
      path,
    },
    { logger },
  ),
);
const tokens = parseServiceTokens('b'.repeat(40));
const server = createServer(createManifestWriterCalls(writer, { tokens, logger, events: createEventBus() }));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
stack.defer(() => void server.close());
const { port } = server.address() as AddressInfo;
const remote = stack.use(createHttpManifestWriter({ url: `http://127.0.0.1:${port}`, tokens, logger }));
const adapters: [name: string, adapter: ManifestWriter][] = [
  ['in_process', writer],
  ['http', remote],
];

const deploys: Record<string, number[]> = { in_process: [], http: [] };
for (let count = 0; count < Number(values.deploys); count += 1) {
  for (const [name, adapter] of adapters) {
    deploys[name]?.push(await timed(() => adapter.deploy(intent())));
  }
}

const ask = (adapter: ManifestWriter) => adapter.removals('id-of-alice');
const questions: Record<string, number[]> = { in_process: [], http: [] };
for (let count = 0; count < Number(values.questions); count += 1) {
  for (const [name, adapter] of adapters) questions[name]?.push(await timed(() => ask(adapter)));
}

const submitters = Number(values.submitters);
const each = Math.ceil(Number(values.questions) / submitters);
const tookMs = await timed(() =>
  Promise.all(
    Array.from({ length: submitters }, async () => {
      for (let count = 0; count < each; count += 1) await ask(remote);
    }),
  ),
);

const rounded = (ms: number) => Math.round(ms * 1000) / 1000;
const median = (samples: number[] = []) =>
  rounded(samples.sort((a, b) => a - b)[samples.length >> 1] ?? Number.NaN);
report({
  bench: 'service-calls',
  deploy_in_process_p50_ms: percentile(deploys['in_process'] ?? [], 0.5),
  deploy_http_p50_ms: percentile(deploys['http'] ?? [], 0.5),
  question_in_process_p50_ms: median(questions['in_process']),
  question_http_p50_ms: median(questions['http']),
  question_http_p99_ms: percentile(questions['http'] ?? [], 0.99),
  questions_per_s_http: Math.round((submitters * each * 1000) / tookMs),
  submitters,
  load: loadavg()[0],
});
