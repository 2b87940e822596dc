import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { killGroup } from '../../runtime/run-process.ts';
import { sweepDeadRuns } from '../containers/dead-runs.ts';
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
  const programs = ['buildkitd', 'kustomize', 'source-controller', 'kustomize-controller', 'source-watcher'];
  if (process.env['TOWLINE_TEST_KUBECONFIG'] === undefined) programs.push('etcd', 'kube-apiserver');
  if (process.env['TOWLINE_TEST_KWOK'] === '1') programs.push('kube-controller-manager', 'kwok');
  return programs;
}

const missing = await missingPackages();
if (missing.length > 0) {
  process.stderr.write(`# the tests need what these packages bring: ${missing.join(' ')}\n`);
  process.exit(1);
}
const named = process.argv.slice(2);
// Tests build what they need themselves; before a run of all of them, so that no test seems to hang meanwhile.
if (named.length === 0) for (const program of builtPrograms()) await tool(program);
const files = named.length > 0 ? named : ['**/*.cluster.ts'];
const child = spawn(process.execPath, ['--test', '--test-concurrency=2', ...files], {
  env: { ...process.env, PATH: path },
  stdio: 'inherit',
  detached: true,
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => killGroup(child.pid, signal));
const [code] = (await once(child, 'exit')) as [number | null];
// Daemons have groups of their own and are ended by their tests; this is for a test that was cut short.
killGroup(child.pid, 'SIGKILL');
const { processes, folders } = await sweepDeadRuns();
if (processes + folders > 0)
  process.stderr.write(
    `# ended ${processes} processes and removed ${folders} folders that a killed test left\n`,
  );
process.exitCode = code ?? 1;
