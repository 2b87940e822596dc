import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, copyFile, mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { V1PodSpec } from '@kubernetes/client-node';
import { build, rendered } from '../../manifest-writer/installation/rendered-fixture.ts';
import { clearLeftovers } from '../containers/leftovers.ts';
import { startProgram } from '../containers/program.ts';
import { ownedFolder } from '../containers/test-owner.ts';
import { tool } from './tools.ts';

/** What a container runtime gives every container; a pod adds to it. */
const runtimeCapabilities = [
  ...['CHOWN', 'DAC_OVERRIDE', 'FSETID', 'FOWNER', 'MKNOD', 'NET_RAW', 'SETGID', 'SETUID', 'SETFCAP'],
  ...['SETPCAP', 'NET_BIND_SERVICE', 'SYS_CHROOT', 'KILL', 'AUDIT_WRITE'],
];
/** The node's users that the pod's are. */
const firstUser = 200_000;
const run = promisify(execFile);
const resources = new AsyncDisposableStack();
const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
let dir: string;
let address: string;
let buildctl: string;

/** The pod of `platform/buildkit.yaml`. */
async function podOfTemplate(): Promise<V1PodSpec> {
  const objects = await build(await rendered({}), 'platform');
  const found = objects.find(
    ({ kind, metadata }) => kind === 'StatefulSet' && metadata?.name === 'buildkitd',
  );
  return (found as unknown as { spec: { template: { spec: V1PodSpec } } }).spec.template.spec;
}

/** What a node's container runtime makes of the pod, with the machine's own programs for its image. */
function bundleOf(pod: V1PodSpec): object {
  const [container] = pod.containers;
  const { securityContext: context } = container!;
  assert.equal(context?.privileged ?? false, false);
  assert.equal(pod.hostUsers, false);
  const added = context?.capabilities?.add ?? [];
  const capabilities = [...runtimeCapabilities, ...added].map((name) => `CAP_${name}`);
  const isMasked = context?.procMount !== 'Unmasked';
  // Its files and its certificates are the test's own.
  const args = container!.args!.filter((arg) => !/^--(config|tls)|^--addr=tcp/.test(arg));
  const users = [{ containerID: 0, hostID: firstUser, size: 65_536 }];
  const empty = (destination: string, mode = '755') => ({
    ...{ destination, type: 'tmpfs', source: 'tmpfs', options: [`mode=${mode}`] },
  });
  const system = ['nosuid', 'noexec', 'nodev'];
  const bind = (source: string, destination: string, how: string) => ({
    ...{ destination, type: 'bind', source, options: ['rbind', how] },
  });
  return {
    ociVersion: '1.0.2',
    process: {
      ...{ terminal: false, user: { uid: pod.securityContext?.runAsUser, gid: 0 }, cwd: '/' },
      args: ['/opt/programs/buildkitd', '--config=/dev/null', ...args],
      env: ['PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root'],
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: false,
    },
    root: { path: join(dir, 'root'), readonly: true },
    hostname: 'buildkitd',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: system },
      { ...empty('/dev'), options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
      {
        destination: '/dev/pts',
        type: 'devpts',
        source: 'devpts',
        options: ['newinstance', 'ptmxmode=0666'],
      },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...system, 'ro'] },
      { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...system, 'ro'] },
      // Of the machine, in the container's own view only: nothing is mounted where this test removes its folder.
      ...['/usr', '/etc'].map((folder) => bind(folder, folder, 'ro')),
      ...[empty('/tmp', '1777'), empty('/run'), empty('/root'), empty('/opt'), empty('/var/lib')],
      bind(join(dir, 'programs'), '/opt/programs', 'ro'),
      bind(join(dir, 'state'), '/var/lib/buildkit', 'rw'),
      bind(join(dir, 'run'), '/run/buildkit', 'rw'),
    ],
    linux: {
      namespaces: ['pid', 'ipc', 'uts', 'mount', 'user', 'network'].map((type) => ({ type })),
      ...{
        uidMappings: users,
        gidMappings: users,
        cgroupsPath: `/towline-${randomBytes(4).toString('hex')}`,
      },
      maskedPaths: isMasked ? ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/sys/firmware'] : [],
      readonlyPaths: isMasked ? ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys'] : [],
    },
  };
}

before(async () => {
  buildctl = await tool('buildctl');
  const buildkitd = await tool('buildkitd');
  dir = await ownedFolder('sandbox');
  resources.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  for (const folder of ['root', 'state', 'run', 'programs']) await mkdir(join(dir, folder));
  for (const folder of ['state', 'run']) await chown(join(dir, folder), firstUser, firstUser);
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${name}`, join(dir, 'root', name));
  for (const name of ['usr', 'etc', 'proc', 'dev', 'sys', 'tmp', 'run', 'root', 'opt', 'var/lib']) {
    await mkdir(join(dir, 'root', name), { recursive: true });
  }
  await copyFile(buildkitd, join(dir, 'programs/buildkitd'));
  // For the container's users, whom this machine knows as nobody.
  await run('chmod', ['-R', 'a+rX', dir]);
  const bundle = bundleOf(await podOfTemplate());
  await writeFile(join(dir, 'config.json'), JSON.stringify(bundle));
  address = `unix://${join(dir, 'run/buildkitd.sock')}`;
  const root = ['--root', join(dir, 'runc')];
  resources.defer(async () => {
    await run('runc', [...root, 'delete', '--force', 'buildkitd'], { env: { PATH: path } });
    await clearLeftovers(join(dir, 'state'));
  });
  resources.use(
    await startProgram({
      ...{ command: 'runc', args: [...root, 'run', '--bundle', dir, 'buildkitd'] },
      env: { PATH: path },
      async isReady() {
        await run(buildctl, ['--addr', address, '--timeout', '2', 'debug', 'workers']);
        return true;
      },
    }),
  );
});
after(() => resources.disposeAsync());

/** Arguments of buildctl for a RUN step. */
async function stepArguments(script: string): Promise<string[]> {
  const context = join(dir, `build-${randomBytes(3).toString('hex')}`);
  await mkdir(context);
  await copyFile('/bin/busybox', join(context, 'busybox'));
  await run('chmod', ['755', join(context, 'busybox')]);
  const command = JSON.stringify(['/bin/busybox', 'sh', '-c', script.replaceAll('@', '/bin/busybox ')]);
  await writeFile(join(context, 'Dockerfile'), `FROM scratch\nCOPY busybox /bin/busybox\nRUN ${command}\n`);
  const folders = ['--local', `context=${context}`, '--local', `dockerfile=${context}`];
  const args = ['build', '--no-cache', '--progress=plain', '--frontend=dockerfile.v0', ...folders];
  return ['--addr', address, ...args];
}

/** What a RUN step writes. */
async function runStep(script: string): Promise<string> {
  const { stderr } = await run(buildctl, await stepArguments(script), { timeout: 120_000 });
  return stderr.replaceAll(/^#\d+ [\d.]+ /gm, '');
}

/** A RUN step that has begun, and goes on until it is disposed of. */
async function startStep(script: string): Promise<AsyncDisposable> {
  const child = spawn(buildctl, await stepArguments(`echo begun; ${script}; @sleep 1000`), {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  let output = '';
  for await (const chunk of child.stderr.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    output += chunk;
    if (/^#\d+ [\d.]+ begun$/m.test(output)) break;
  }
  assert.equal(child.exitCode, null, output);
  child.stderr.resume();
  return {
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}

describe('a RUN step in the BuildKit of the template, as a node runs its pod', () => {
  it('sees no process but its own, while others build', async () => {
    await using _ = await startStep('echo "its secret"');
    const seen = await runStep(
      'for one in /proc/[0-9]*; do echo "seen: $(@tr "\\0" " " < $one/cmdline)"; done; exit 0',
    );
    const processes = seen.split('\n').filter((line) => line.startsWith('seen: '));
    assert.ok(processes.length > 0);
    for (const line of processes) assert.doesNotMatch(line, /buildkitd|runc|its secret/);
  });

  it('ends nothing but itself', async () => {
    await runStep('@kill -9 -1; @killall -9 buildkitd runc; exit 0').catch(() => {});
    assert.match(await runStep('echo still here'), /still here/);
  });

  it('is nobody on the node, and has no power over the daemon’s namespace', async () => {
    const seen = await runStep(
      '@cat /proc/self/uid_map; @grep CapEff /proc/self/status; @mount -t proc p /bin || echo refused',
    );
    assert.match(seen, new RegExp(`^\\s*0\\s+${firstUser}\\s+65536$`, 'm'));
    const effective = BigInt(`0x${/CapEff:\s*([0-9a-f]+)/.exec(seen)?.[1]}`);
    const sysAdmin = 21n;
    assert.equal((effective >> sysAdmin) & 1n, 0n);
    assert.match(seen, /^refused$/m);
    assert.equal((await stat(join(dir, 'run/buildkitd.sock'))).uid, firstUser);
  });
});
