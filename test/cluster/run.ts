import { access, constants, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { sweepDeadRuns } from '../containers/dead-runs.ts';
import { clusterFiles, runFiles } from './run-files.ts';
import { gatewayProgram } from './s3-gateway.ts';
import { tool } from './tools.ts';

/**
 * Runs every `*.cluster.ts`: tests against real daemons and registries, which they start and end themselves.
 * `npm run test:cluster -- <file…>` runs the files named. README.md tells of the options.
 */
const needed: Record<string, string> = {
  go: 'golang (1.26 or later)',
  runc: 'runc',
  'docker-registry': 'docker-registry',
  dockerd: 'docker.io',
  skopeo: 'skopeo',
  openssl: 'openssl',
  'redis-server': 'redis-server',
};

/** Debian keeps servers out of a user's PATH. */
const path = [process.env['PATH'] ?? '', '/usr/sbin', '/sbin'].join(delimiter);

async function missingPackages(): Promise<string[]> {
  const missing: string[] = [];
  for (const [program, name] of Object.entries(needed)) if (!(await isThere(program))) missing.push(name);
  const busybox = ['/bin/busybox', '/usr/bin/busybox'];
  if (!(await anyExecutable(busybox))) missing.push('busybox-static');
  return missing;
}

function isThere(program: string): Promise<boolean> {
  return anyExecutable(path.split(delimiter).map((folder) => join(folder, program)));
}

async function anyExecutable(files: string[]): Promise<boolean> {
  for (const file of files) {
    if (
      await access(file, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return true;
  }
  return false;
}

function builtPrograms(): string[] {
  const programs = ['buildkitd', 'kustomize', 'kubectl'];
  programs.push('source-controller', 'kustomize-controller', 'source-watcher', 'argocd');
  if (!isGiven) programs.push('etcd', 'kube-apiserver');
  if (hasPods) programs.push('kube-controller-manager', 'kwok');
  return programs;
}

/** A file that tells of no test has failed: what needs pods is left out where there are none. */
async function filesToRun(): Promise<string[]> {
  const files = await clusterFiles();
  return hasPods ? files : files.filter((file) => !file.endsWith('kubernetes/kwok.cluster.ts'));
}

const hasPods = process.env['TOWLINE_TEST_KWOK'] === '1';
const isGiven = process.env['TOWLINE_TEST_KUBECONFIG'] !== undefined;
const missing = await missingPackages();
if (missing.length > 0) {
  process.stderr.write(`# the tests need what these packages bring: ${missing.join(' ')}\n`);
  process.exit(1);
}
const named = process.argv.slice(2);
// Tests build what they need themselves; before a run of all of them, so that no test seems to hang meanwhile.
if (named.length === 0) {
  for (const program of builtPrograms()) await tool(program);
  await gatewayProgram();
}
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
// The programs are started dozens of times: what Node makes of their files is kept for the next start.
const compiled = await mkdtemp(join(tmpdir(), 'towline-compiled-'));
const env = { NODE_COMPILE_CACHE: compiled, ...(process.env as Record<string, string>), PATH: path };
const isGood = await runFiles(named.length > 0 ? named : await filesToRun(), {
  ...{ env, signal: stopping.signal, write: (text) => void process.stdout.write(text) },
  // Of a cluster that is given only one can be the Flux.
  atOnce: isGiven ? 1 : undefined,
});
await rm(compiled, { recursive: true, force: true });
const { processes, folders } = await sweepDeadRuns();
if (processes + folders > 0)
  process.stderr.write(
    `# ended ${processes} processes and removed ${folders} folders that a killed test left\n`,
  );
process.exitCode = isGood ? 0 : 1;
