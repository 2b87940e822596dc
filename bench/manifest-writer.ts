import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import type { DeployIntent } from '../core/manifest-writer.ts';
import { createManifestWriter } from '../manifest-writer/index.ts';
import { gitEnvironment, gitOutput } from '../runtime/git.ts';
import { percentile, report } from './figures.ts';

/*
 * Deploy intents to pushed commits: a real remote (git http-backend) with 10,000 functions, 64 submitters, a foreign
 * writer that commits every second. Two ways to ask: `submitted`, each submitter goes on once its intent is kept, as a
 * webhook does; `awaited`, each waits for its commit before it asks again. The peer deploys as other committers do: a
 * clone with a work tree; write, add, commit, pull --rebase, push for each deploy, one at a time, as they do per branch.
 */

const { values } = parseArgs({
  options: {
    functions: { type: 'string', default: '10000' },
    intents: { type: 'string', default: '2000' },
    submitters: { type: 'string', default: '64' },
    singles: { type: 'string', default: '100' },
    peer: { type: 'string', default: '30' },
  },
});
const functions = Number(values.functions);
const intents = Number(values.intents);
const submitters = Number(values.submitters);
const path = process.env['PATH'] ?? '';
const env = gitEnvironment(path, {
  GIT_AUTHOR_NAME: 'Olga Operator',
  GIT_AUTHOR_EMAIL: 'olga@example.org',
  GIT_COMMITTER_NAME: 'Olga Operator',
  GIT_COMMITTER_EMAIL: 'olga@example.org',
});
const perTenant = 50;
const hex = (n: number, length: number) => n.toString(16).padStart(length, '0');
const writers: AsyncDisposable[] = [];
let builds = 0;

function intent(index: number): DeployIntent {
  builds += 1;
  const owner = `tenant-${Math.floor(index / perTenant)}`;
  const functionName = `fn-${index % perTenant}`;
  return {
    buildId: `build-${builds}`,
    trigger: 'push',
    sourceSubject: 'Fix greeting',
    actor: { name: 'Alice Doe', email: 'alice@example.org', login: 'alice' },
    spec: {
      owner,
      functionName,
      image: `registry.example.org/${owner}/app-${functionName}:latest-main-${hex(builds, 7)}@sha256:${hex(builds, 64)}`,
      environment: { GREETING: 'hello', LEVEL: 'info' },
      secrets: ['token'],
      labels: { team: 'blue' },
      annotations: {},
      limits: { memory: '128Mi' },
      requests: { cpu: '50m' },
      constraints: [],
      readOnlyRootFilesystem: false,
    },
    provenance: {
      owner,
      ownerId: `id-of-${owner}`,
      repo: 'app',
      branch: 'main',
      sourceCommit: hex(builds, 40),
      scm: 'git',
      private: false,
      repoUrl: `https://git.example.org/${owner}/app.git`,
    },
  };
}

interface Server {
  url: string;
  process: ChildProcess;
  pushes(): number;
}

/** The remote is a process of its own, as a forge is. */
async function startServer(root: string): Promise<Server> {
  const script = `
    import { startGitHttpServer } from ${JSON.stringify(join(import.meta.dirname, '../manifest-writer/gitops-http-server.ts'))};
    const server = await startGitHttpServer({ root: process.argv[1], path: process.env.PATH });
    process.send({ url: server.url });
    let told = 0;
    setInterval(() => {
      const pushes = server.requests.filter((one) => one.method === 'POST' && one.path.endsWith('/git-receive-pack')).length;
      if (pushes !== told) process.send({ pushes: (told = pushes) });
    }, 20);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script, root], {
    env: { PATH: path },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let pushes = 0;
  const [{ url }] = await once(child, 'message');
  child.on('message', (message: { pushes: number }) => {
    pushes = message.pushes;
  });
  return { url, process: child, pushes: () => pushes };
}

/** A remote with so many functions, put there by the writer itself, and a writer on a clone of it. */
async function setUp(folder: string, name: string, count: number, server: Server) {
  const bare = join(folder, 'root', `${name}.git`);
  const git = (cwd: string, ...args: string[]) => gitOutput({ args, env, cwd, timeoutMs: 600_000 });
  await git(folder, 'init', '--quiet', '--bare', '--initial-branch=main', bare);
  await git(folder, 'clone', '--quiet', bare, join(folder, `${name}-first`));
  await git(join(folder, `${name}-first`), 'commit', '--quiet', '--allow-empty', '-m', 'First');
  await git(join(folder, `${name}-first`), 'push', '--quiet', 'origin', 'HEAD:main');
  const remoteUrl = `${server.url}/${name}.git`;
  const writer = await createManifestWriter(
    {
      remoteUrl,
      clonePath: join(folder, `${name}-writer.git`),
      branch: 'main',
      committer: { name: 'Towline', email: 'towline@towline.invalid' },
      namespace: 'openfaas-fn',
      path,
      limits: { maxQueued: 100_000 },
    },
    { logger: pino({ level: process.env['LOG_LEVEL'] ?? 'silent' }, pino.destination(2)) },
  );
  writers.push(writer);
  await Promise.all(Array.from({ length: count }, (_, index) => writer.deploy(intent(index))));
  await git(bare, 'gc', '--quiet');
  return { bare, git, remoteUrl, writer };
}

type Subject = Awaited<ReturnType<typeof setUp>>;

/** Somebody else who commits and pushes every second, until told to stop; gives how often. */
function foreignWriter({ git, remoteUrl }: Subject, folder: string): () => Promise<number> {
  const clone = join(folder, 'foreign');
  let stopped = false;
  let pushes = 0;
  const work = (async () => {
    await git(folder, 'clone', '--quiet', remoteUrl, clone);
    while (!stopped) {
      await writeFile(join(clone, 'notes.txt'), `note ${pushes}\n`);
      await git(clone, 'add', 'notes.txt');
      await git(clone, 'commit', '--quiet', '-m', `Note ${pushes}`);
      for (let done = false; !done && !stopped; ) {
        done = await git(clone, 'pull', '--quiet', '--rebase')
          .then(() => git(clone, 'push', '--quiet', 'origin', 'HEAD:main'))
          .then(
            () => true,
            () => false,
          );
        if (done) pushes += 1;
      }
      for (let waited = 0; waited < 1_000 && !stopped; waited += 50) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  })();
  return async () => {
    stopped = true;
    await work;
    return pushes;
  };
}

interface Run {
  seconds: number;
  /** Of this process, the writer's without its gits: what a busy machine doesn't change. */
  cpuMs: number;
  commits: string[];
}

/** Every intent is for another function than the ones around it. */
async function load({ writer }: Subject, count: number, wait: 'submitted' | 'awaited'): Promise<Run> {
  const commits: string[] = [];
  const start = performance.now();
  const cpu = process.cpuUsage();
  let next = 0;
  await Promise.all(
    Array.from({ length: submitters }, async () => {
      const outcomes: Promise<unknown>[] = [];
      while (next < count) {
        const index = (next * 7919) % functions;
        next += 1;
        const { accepted, outcome } = writer.submit({ kind: 'deploy', intent: intent(index) });
        const noted = outcome.then((one) => 'commit' in one && commits.push(one.commit));
        outcomes.push(noted);
        await (wait === 'submitted' ? accepted : noted);
      }
      await Promise.all(outcomes);
    }),
  );
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - start) / 1000, cpuMs: (user + system) / 1000, commits };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function single({ writer }: Subject, round: number, among: number): Promise<number> {
  const one = intent((round * 7919) % among);
  return await timed(() => writer.deploy(one));
}

/** What nobody who calls `git push` can go below: one ready commit, the known head, no hooks, no intent, no planning. */
async function createPushFloor({ git, remoteUrl }: Subject, folder: string): Promise<() => Promise<number>> {
  const clone = join(folder, 'floor.git');
  await git(folder, 'clone', '--quiet', '--bare', remoteUrl, clone);
  const ref = 'refs/heads/main';
  return async () => {
    const head = (await git(clone, 'ls-remote', remoteUrl, ref)).slice(0, 40);
    await git(clone, 'fetch', '--quiet', remoteUrl, head);
    const commit = (await git(clone, 'commit-tree', '-p', head, '-m', 'Floor', `${head}^{tree}`)).trim();
    return await timed(() =>
      git(clone, 'push', '--quiet', `--force-with-lease=${ref}:${head}`, remoteUrl, `${commit}:${ref}`),
    );
  };
}

/** In turns, so that what else the machine does hits all three alike. */
async function latencies(large: Subject, small: Subject, folder: string, count: number) {
  const floor = await createPushFloor(small, folder);
  const samples = { large: [] as number[], small: [] as number[], floor: [] as number[] };
  for (let round = 0; round < count; round += 1) {
    samples.large.push(await single(large, round, functions));
    samples.small.push(await single(small, round, 100));
    samples.floor.push(await floor());
    // The floor's commit moved the branch: the writer learns of it before it is timed.
    await small.writer.current('tenant-0');
  }
  return samples;
}

/** Commits of the branch that are missing or there twice. */
async function lost({ bare, git }: Subject, run: Run, asked: number): Promise<number> {
  const onBranch = new Set((await git(bare, 'rev-list', 'main')).trim().split('\n'));
  const distinct = new Set(run.commits);
  return asked - [...distinct].filter((commit) => onBranch.has(commit)).length;
}

async function measurePeer({ git, remoteUrl }: Subject, folder: string, count: number): Promise<number> {
  const clone = join(folder, 'peer');
  await git(folder, 'clone', '--quiet', remoteUrl, clone);
  const start = performance.now();
  for (let round = 0; round < count; round += 1) {
    const { spec } = intent((round * 7919) % functions);
    const file = `tenants/${spec.owner}/${spec.functionName}.yaml`;
    await writeFile(join(clone, file), `image: ${spec.image}\n`);
    await git(clone, 'add', file);
    await git(clone, 'commit', '--quiet', '-m', `deploy ${file}`);
    for (;;) {
      await git(clone, 'pull', '--quiet', '--rebase');
      const pushed = await git(clone, 'push', '--quiet', 'origin', 'HEAD:main').then(
        () => true,
        () => false,
      );
      if (pushed) break;
    }
  }
  return count / ((performance.now() - start) / 1000);
}

const folder = await mkdtemp(join(tmpdir(), 'towline-bench-writer-'));
await mkdir(join(folder, 'root'));
const server = await startServer(join(folder, 'root'));
try {
  const large = await setUp(folder, 'large', functions, server);
  const small = await setUp(folder, 'small', 100, server);
  await load(large, 200, 'submitted');
  const stopForeign = foreignWriter(large, folder);
  const before = server.pushes();
  const submitted = await load(large, intents, 'submitted');
  const pushes = server.pushes() - before;
  const awaited = await load(large, intents, 'awaited');
  const peerPerS = await measurePeer(large, folder, Number(values.peer));
  const foreignPushes = await stopForeign();

  const times = await latencies(large, small, folder, Number(values.singles));
  const missing = (await lost(large, submitted, intents)) + (await lost(large, awaited, intents));
  const round = (value: number) => Math.round(value * 100) / 100;
  report({
    bench: 'manifest-writer',
    functions,
    intents,
    submitters,
    commits_per_s: Math.round(intents / submitted.seconds),
    writer_cpu_ms_per_commit: round(submitted.cpuMs / intents),
    pushes,
    commits_per_s_awaited: Math.round(intents / awaited.seconds),
    foreign_pushes: foreignPushes,
    single_p50_ms: percentile(times.large, 0.5),
    single_p99_ms: percentile(times.large, 0.99),
    push_floor_p50_ms: percentile(times.floor, 0.5),
    cost_ratio_10k_vs_100: round(percentile(times.large, 0.5) / percentile(times.small, 0.5)),
    lost: missing,
    load_average: round(loadavg()[0] ?? 0),
    peer: 'work tree; write, add, commit, pull --rebase, push per deploy; rate of a shorter run',
    peer_commits_per_s: round(peerPerS),
  });
} finally {
  for (const writer of writers) await writer[Symbol.asyncDispose]();
  server.process.kill();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
