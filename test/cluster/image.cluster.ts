import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { makeBaseImage, pushBaseImage } from '../containers/base-image.ts';
import { startBuildkitd } from '../containers/buildkitd.ts';
import { startDockerd, type TestDockerd } from '../containers/dockerd.ts';
import { startRegistry } from '../containers/registry.ts';
import { eventually } from '../e2e/product.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const image = 'towline:test';
const npmSecret = `//nowhere.example.org/:_authToken=${'n'.repeat(40)}`;
const user = 10_001;

const common = { TOWLINE_SERVICE_TOKEN_FILE: '/etc/towline/tokens', TOWLINE_DATA: '/data' };
const cluster = {
  TOWLINE_PUBLIC_ORIGIN: 'https://fn.example.org',
  TOWLINE_KUBECONFIG: '/etc/towline/kubeconfig',
};
const nowhere = 'http://127.0.0.1:1';

/** What each program is told, and whether it takes requests while everything else is away. */
const programs = [
  { main: 'router/main.ts', env: cluster, ready: 503 },
  {
    main: 'builder/main.ts',
    env: {
      ...cluster,
      TOWLINE_REGISTRY: 'registry.example.org',
      TOWLINE_BUILDKIT_ADDRESS: 'unix:///nonexistent.sock',
      TOWLINE_MANIFEST_WRITER_URL: nowhere,
    },
    ready: 200,
  },
  {
    main: 'manifest-writer/main.ts',
    env: {
      TOWLINE_GITOPS_URL: 'file:///etc/towline/gitops.git',
      TOWLINE_DELIVERY: 'repository',
      TOWLINE_TENANTS: 'none',
    },
    ready: 200,
  },
  { main: 'auth/main.ts', env: { TOWLINE_PUBLIC_ORIGIN: 'https://fn.example.org' }, ready: 200 },
  {
    main: 'ui/server/main.ts',
    env: {
      ...cluster,
      ...{ TOWLINE_AUTH_URL: nowhere, TOWLINE_BUILDER_URL: nowhere, TOWLINE_MANIFEST_WRITER_URL: nowhere },
    },
    ready: 503,
  },
];

describe('the image of the programs', () => {
  const stack = new AsyncDisposableStack();
  let dockerd: TestDockerd;
  let files = '';

  before(async () => {
    files = await mkdtemp(join(tmpdir(), 'towline-image-'));
    stack.defer(() => rm(files, { recursive: true, force: true }));
    await build(files);
    dockerd = stack.use(await startDockerd());
    await dockerd.docker(['load', '--input', join(files, 'image.tar')]);
    await writeGiven(join(files, 'given'));
  });
  after(() => stack.disposeAsync());

  /** A container as a pod with the restricted standard has it. */
  function start(main: string, env: Record<string, string>, data: string): Promise<string> {
    return dockerd.docker([
      ...['run', '--detach', '--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
      ...['--user', `${user}:${user}`, '--tmpfs', '/tmp', '--network', 'none'],
      ...['--volume', `${data}:/data`, '--volume', `${join(files, 'given')}:/etc/towline:ro`],
      ...Object.entries({ ...common, ...env }).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
      ...[image, main],
    ]);
  }

  async function probe(container: string, path: string): Promise<number> {
    const ask = `fetch("http://127.0.0.1:8081${path}").then((r) => console.log(r.status), () => console.log(0))`;
    return Number(await dockerd.docker(['exec', container, 'node', '--eval', ask]));
  }

  async function until(container: string, path: string, status: number): Promise<void> {
    const isSo = async () => (await probe(container, path)) === status;
    await eventually(`${path} to be ${status}`, isSo).catch(async (cause: unknown) => {
      throw new Error(await dockerd.docker(['logs', container]), { cause });
    });
  }

  for (const { main, env, ready } of programs) {
    it(`${main} runs with a read-only root, without rights, and ends in order`, async () => {
      const data = join(files, main.replaceAll('/', '-'));
      await mkdir(data);
      await run('chown', [`${user}:${user}`, data]);
      const container = await start(main, env, data);
      await until(container, '/healthz', 200);
      await until(container, '/readyz', ready);
      await dockerd.docker(['stop', '--time', '20', container]);

      const state = JSON.parse(await dockerd.docker(['inspect', '--format', '{{json .State}}', container]));
      assert.deepEqual([state.ExitCode, state.OOMKilled], [0, false]);
    });
  }

  it('makes the files of a GitOps repository', async () => {
    const config = ['repository: https://git.example.org/acme/functions.git', 'domain: fn.example.org'];
    await writeFile(
      join(files, 'given', 'installation.yaml'),
      [
        ...config,
        'registry: registry.example.org',
        `image: registry.example.org/towline@sha256:${'a'.repeat(64)}`,
        '',
      ].join('\n'),
    );
    const output = await dockerd.docker([
      ...['run', '--rm', '--read-only', '--tmpfs', '/tmp', '--network', 'none'],
      ...['--volume', `${join(files, 'given')}:/etc/towline:ro`, image],
      ...['manifest-writer/installation/main.ts', '/tmp/new', '--config', '/etc/towline/installation.yaml'],
    ]);

    assert.match(output, /files written to \/tmp\/new/);
  });

  it('has what its programs need, and no test, no development tool, no secret', async () => {
    const list =
      'for (const p of require("node:fs").readdirSync("/app", { recursive: true })) console.log(p)';
    const paths = (await dockerd.docker(['run', '--rm', '--network', 'none', image, '--eval', list])).split(
      '\n',
    );
    const unwanted = /\.(?:test|contract|cluster)\.tsx?$|-fixture\.ts$|\.npmrc$|(?:^|\/)\.git\//;
    assert.deepEqual(
      paths.filter((path) => !path.startsWith('node_modules/') && unwanted.test(path)),
      [],
    );
    const development = ['typescript', '@biomejs', 'dependency-cruiser', 'knip', 'playwright-core', 'node'];
    assert.deepEqual(
      development.filter((name) => paths.includes(`node_modules/${name}`)),
      [],
    );
    for (const { main } of programs) assert.ok(paths.includes(main), main);
    assert.ok(paths.includes('ui/web/dist/index.html'));

    const version = ['run', '--rm', '--network', 'none', '--entrypoint'];
    for (const [command, argument] of [
      ['git', '--version'],
      ['ssh', '-V'],
      ['buildctl', '--version'],
    ] as const) {
      await dockerd.docker([...version, command, image, argument]);
    }
  });

  it('runs its sources as they are, without Node’s stripper of types', async () => {
    const program = `
      await import('/app/router/router.ts');
      console.log(process.moduleLoadList.filter((one) => one.includes('amaro')).length)`;
    const args = ['run', '--rm', '--network', 'none', image, '--input-type=module', '--eval', program];
    assert.equal((await dockerd.docker(args)).trim(), '0');
  });

  it('says what it is, and runs as nobody that has a name', async () => {
    const [{ Config, Size }] = JSON.parse(await dockerd.docker(['image', 'inspect', image]));
    const history = await dockerd.docker(['history', '--no-trunc', '--format', '{{.CreatedBy}}', image]);

    assert.equal(Config.User, '10001:10001');
    assert.deepEqual(Config.Entrypoint, ['node', '--import', '/app/runtime/image/plain-sources.mjs']);
    assert.equal(Config.Labels['org.opencontainers.image.title'], 'Towline');
    assert.ok(!history.includes(npmSecret) && !JSON.stringify(Config).includes(npmSecret));
    process.stdout.write(`# the image: ${Math.round(Size / 1e6)} MB\n`);
  });
});

/** Without a public registry: on this machine's own programs, by BuildKit, as an archive for `docker load`. */
async function build(dir: string): Promise<void> {
  await using registry = await startRegistry();
  await using buildkitd = await startBuildkitd({ registries: [registry.host] });
  const { image: base } = await pushBaseImage(registry, await makeBaseImage('platform'));
  const npm = async (key: string) => (await run('npm', ['config', 'get', key])).stdout.trim();
  const npmrc = join(dir, 'npmrc');
  // The base image has this machine's certificates there.
  const settings = [
    `registry=${await npm('registry')}`,
    'cafile=/etc/ssl/certs/ca-certificates.crt',
    npmSecret,
  ];
  await writeFile(npmrc, `${settings.join('\n')}\n`);
  const args = { NODE_IMAGE: base, BUILDKIT_IMAGE: base, RUNTIME_IMAGE: base, REVISION: 'test' };
  const started = Date.now();
  const { stderr } = await run(
    buildkitd.buildctl,
    [
      ...['--addr', buildkitd.address, 'build', '--progress', 'plain', '--frontend', 'dockerfile.v0'],
      ...['--local', `context=${root}`, '--local', `dockerfile=${root}`],
      ...Object.entries(args).flatMap(([name, value]) => ['--opt', `build-arg:${name}=${value}`]),
      ...['--secret', `id=npmrc,src=${npmrc}`],
      // It goes no farther than to the engine beside it.
      ...['--output', `type=docker,name=${image},dest=${join(dir, 'image.tar')},compression=uncompressed`],
    ],
    { maxBuffer: 64 * 1024 * 1024 },
  ).catch((error: { stderr?: string }) => {
    throw new Error(`the image cannot be built:\n${(error.stderr ?? String(error)).slice(-8000)}`);
  });
  assert.ok(!stderr.includes(npmSecret));
  process.stdout.write(`# built in ${Math.round((Date.now() - started) / 1000)} s\n`);
}

/** What a cluster mounts: readable for everybody, as a Secret with `defaultMode: 0444` is. */
async function writeGiven(dir: string): Promise<void> {
  await mkdir(dir);
  await writeFile(join(dir, 'tokens'), `${'t'.repeat(40)}\n`, { mode: 0o444 });
  const kubeconfig = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'here' },
    clusters: [{ name: 'here', cluster: { server: 'https://127.0.0.1:1' } }],
    contexts: [{ name: 'here', context: { cluster: 'here', user: 'me' } }],
    users: [{ name: 'me', user: { token: 'unused' } }],
  };
  await writeFile(join(dir, 'kubeconfig'), JSON.stringify(kubeconfig), { mode: 0o444 });
  const bare = join(dir, 'gitops.git');
  const work = join(dir, 'work');
  const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.org'];
  await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', bare]);
  await run('git', ['init', '--quiet', '--initial-branch=main', work]);
  await run('git', ['-C', work, ...who, 'commit', '--quiet', '--allow-empty', '-m', 'Begin']);
  await run('git', ['-C', work, 'push', '--quiet', bare, 'main']);
  await run('chown', ['-R', `${user}:${user}`, bare]);
  await chmod(dir, 0o755);
}
