import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openHistoryIndex } from '../manifest-writer/index/history-index-sqlite.ts';
import { type IndexedRepository, withHistory } from '../manifest-writer/index/indexed-repository.ts';
import { commitMessage } from '../manifest-writer/message/commit-message.ts';
import { manifestPath, tenantFolder, tenantPath } from '../manifest-writer/paths.ts';
import { createBranchView } from '../manifest-writer/planning/branch-view.ts';
import { planDeploy } from '../manifest-writer/planning/plan-deploy.ts';
import { renderManifest } from '../manifest-writer/render/render-manifest.ts';
import { renderTenant } from '../manifest-writer/render/tenant.ts';
import { openGitRepository } from '../manifest-writer/repository/manifest-repository-git.ts';
import { gitEnvironment, gitOutput } from '../runtime/git.ts';
import { report } from './figures.ts';

/*
 * What a long history costs: building the index of it once, a page of it, and the plan of one deploy, which is compared
 * with the same on a short history. The peer for a page is `git log` on the function's path.
 */

const { values } = parseArgs({
  options: {
    commits: { type: 'string', default: '100000' },
    functions: { type: 'string', default: '10000' },
  },
});
const commits = Number(values.commits);
const functions = Number(values.functions);
const shortHistory = 1_000;
const functionsPerOwner = 100;
const rounds = 200;
const folder = mkdtempSync(join(tmpdir(), 'towline-history-'));
const searchPath = process.env['PATH'] ?? '';

const ownerOf = (index: number) => `o${Math.floor((index % functions) / functionsPerOwner)}`;
const nameOf = (index: number) => `f${(index % functions) % functionsPerOwner}`;

function intentOf(index: number) {
  const owner = ownerOf(index);
  const functionName = nameOf(index);
  const sourceCommit = index.toString(16).padStart(40, 'a');
  return {
    buildId: `build-${index}`,
    trigger: 'push' as const,
    sourceSubject: 'Fix greeting',
    actor: { name: 'Alice', email: 'alice@example.org', login: owner },
    spec: {
      owner,
      functionName,
      image: `artifact.towline.internal/${owner}/app-${functionName}@sha256:${sourceCommit.padStart(64, 'b')}`,
      environment: { GREETING: `hello ${index}` },
      secrets: [],
      labels: {},
      annotations: {},
      limits: { memory: '128Mi' },
      requests: {},
      constraints: [],
      readOnlyRootFilesystem: false,
    },
    provenance: {
      owner,
      ownerId: owner,
      repo: 'app',
      branch: 'main',
      sourceCommit,
      scm: 'git' as const,
      private: false,
      repoUrl: `http://localhost/${owner}/app.git`,
    },
  };
}

/** Commits as `git fast-import` reads them: deploys, with a rollback to the version before here and there. */
async function makeRepository(path: string, count: number): Promise<void> {
  const env = gitEnvironment(searchPath, { GIT_DIR: path });
  await gitOutput({ args: ['init', '--quiet', '--bare', '--initial-branch=main', path], env });
  const importer = spawn('git', ['fast-import', '--quiet'], { env, stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = once(importer, 'close');
  const contents = new Map<number, [string, string]>();
  const options = { target: 'openfaas', namespace: 'openfaas-fn', deployedAt: 0 } as const;
  const tenants = new Set<string>();
  for (let index = 0; index < count; index += 1) {
    const intent = intentOf(index);
    const { owner, functionName } = intent.spec;
    const place = index % functions;
    const [current = '', before = ''] = contents.get(place) ?? [];
    const back = before !== '' && index % 7 === 0;
    const content = back ? before : renderManifest(intent.spec, intent.provenance, options).text;
    contents.set(place, [content, current]);
    const message = commitMessage(`deploy(${owner}/${functionName}): #1 ${intent.sourceSubject}`, {
      'Towline-Kind': back ? 'revert' : 'deploy',
      'Towline-Function': `${owner}/${functionName}`,
      'Towline-Source-Commit': intent.provenance.sourceCommit,
      'Towline-Image': intent.spec.image,
      'Towline-Build': back ? null : intent.buildId,
      'Towline-Actor': owner,
    });
    const tenant = tenants.has(owner)
      ? ''
      : file(tenantPath(owner), renderTenant({ owner, ownerId: owner, namespace: 'openfaas-fn' }));
    tenants.add(owner);
    const ident = `Towline <towline@towline.invalid> ${1_700_000_000 + index} +0000`;
    const text = `commit refs/heads/main\ncommitter ${ident}\n${data(message)}${tenant}${file(manifestPath(owner, functionName), content)}\n`;
    if (!importer.stdin.write(text)) await once(importer.stdin, 'drain');
  }
  importer.stdin.end();
  await ended;
}

const data = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`;
const file = (path: string, content: string) => `M 100644 inline ${path}\n${data(content)}`;

async function open(name: string): Promise<IndexedRepository> {
  const repository = await openGitRepository({
    remoteUrl: join(folder, `${name}.git`),
    clonePath: join(folder, `${name}-clone.git`),
    branch: 'main',
    searchPath,
    remoteTimeoutMs: 600_000,
    maxObjectBytes: 8 * 1024 * 1024,
  });
  return withHistory(
    repository,
    openHistoryIndex({ path: join(folder, `${name}.db`), repository }),
    'towline@towline.invalid',
  );
}

async function median(work: (round: number) => Promise<unknown>): Promise<number> {
  const samples: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now();
    await work(round);
    samples.push(performance.now() - start);
  }
  const sorted = samples.sort((a, b) => a - b);
  return Math.round((sorted[Math.floor(rounds / 2)] ?? Number.NaN) * 1000) / 1000;
}

/** Of new versions of functions all over the repository; the plan is all that is done about them. */
async function planMs(repository: IndexedRepository, count: number): Promise<number> {
  const context = {
    committer: { name: 'Towline', email: 'towline@towline.invalid' },
    namespace: 'openfaas-fn',
    now: () => 1,
  };
  return await median(async (round) => {
    const intent = { ...intentOf((round * 31) % Math.min(count, functions)), buildId: `new-${round}` };
    const changed = { ...intent, spec: { ...intent.spec, environment: { GREETING: `new ${round}` } } };
    const decision = await planDeploy(changed, context).decide(
      createBranchView(repository, repository.head()),
    );
    if (decision.type !== 'commit') throw new Error(`planned ${JSON.stringify(decision)}`);
  });
}

try {
  await makeRepository(join(folder, 'short.git'), shortHistory);
  await makeRepository(join(folder, 'long.git'), commits);
  await using short = await open('short');
  await using long = await open('long');
  await short.history(short.head());

  let peakBytes = process.memoryUsage().rss;
  const before = peakBytes;
  let worstPauseMs = 0;
  let last = performance.now();
  const sampling = setInterval(() => {
    worstPauseMs = Math.max(worstPauseMs, performance.now() - last - 10);
    last = performance.now();
    peakBytes = Math.max(peakBytes, process.memoryUsage().rss);
  }, 10);
  const start = performance.now();
  const history = await long.history(long.head());
  const buildMs = performance.now() - start;
  clearInterval(sampling);

  const page = { limit: 50 };
  const pageOfFunction = await median(async (round) =>
    history.pageOfFile(manifestPath(ownerOf(round), nameOf(round)), page),
  );
  const pageOfTenant = await median(async (round) =>
    history.pageOfFolder(tenantFolder(ownerOf(round * functionsPerOwner)), page),
  );
  const peer = performance.now();
  await long.log(long.head(), [manifestPath('o1', 'f1')]);
  const gitLogMs = performance.now() - peer;
  report({
    bench: 'history',
    commits,
    functions,
    history_build_ms: Math.round(buildMs),
    history_build_extra_rss_mb: Math.round((peakBytes - before) / 1e6),
    history_build_worst_pause_ms: Math.round(worstPauseMs),
    index_mb: Math.round(statSync(join(folder, 'long.db')).size / 1e6),
    page_p50_ms: pageOfFunction,
    page_of_tenant_p50_ms: pageOfTenant,
    peer_git_log_ms: Math.round(gitLogMs),
    plan_p50_ms_at_1k: await planMs(short, shortHistory),
    plan_p50_ms_at_100k: await planMs(long, commits),
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
