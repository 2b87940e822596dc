import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { parseRegistryPattern } from '../../runtime/registry/registry-pattern.ts';
import { makeBaseImage, pushBaseImage } from '../../test/containers/base-image.ts';
import { startDockerd, type TestDockerd } from '../../test/containers/dockerd.ts';
import { imageContents } from '../../test/containers/image-contents.ts';
import { registryAccount, startRegistry } from '../../test/containers/registry.ts';
import { describeBuildEngine, shellDockerfile } from './build-engine.contract.ts';
import type { BuildRequest } from './build-engine.ts';
import {
  createDockerEngine,
  type DockerEngineConfig,
  type DockerEngineDeps,
  installationLabel,
} from './build-engine-docker.ts';
import { findDockerCommand } from './docker-command.ts';
import { connectDocker, requireEngine } from './docker-connection.ts';
import { describeImageEngine } from './image-engine.contract.ts';
import { publicPatterns } from './image-sources.ts';
import type { PullLogin } from './registry-logins.ts';

interface EngineOptions {
  config?: Partial<DockerEngineConfig>;
  deps?: Partial<DockerEngineDeps>;
}

async function openEngine(
  daemon: TestDockerd,
  workDir: string,
  more: Partial<DockerEngineConfig> = {},
  deps: Partial<DockerEngineDeps> = {},
) {
  const { PATH: path = '', ...environment } = daemon.env;
  const command = await findDockerCommand({ path, environment });
  const docker = connectDocker(command);
  return createDockerEngine(
    { command, workDir, installation: 'of-the-test', hiddenFolder: 'c0ffee', ...more },
    { docker, ...deps },
  );
}

describeBuildEngine('docker', async (dir) => {
  const daemon = await startDockerd();
  const base = await daemon.load('shell');
  const engine = await openEngine(daemon, join(dir, 'work'));
  return {
    engine,
    shortMs: 5000,
    // Docker's BuildKit clips at 200 KiB a second and 1 MiB a step, and its command cannot change that.
    keptLines: 10_000,
    template: () => null,
    prepare: (contextDir, scripts) =>
      writeFile(join(contextDir, 'Dockerfile'), shellDockerfile(base, scripts)),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
});

describeImageEngine('docker', async (dir) => {
  const daemon = await startDockerd();
  const registry = await startRegistry();
  const shell = await makeBaseImage('shell');
  const base = await pushBaseImage(registry, shell);
  const foreign = await pushBaseImage(registry, shell, { name: 'bob/private:1' });
  const images = { registry: registry.host, isInsecure: true, sharedFolders: ['base'] };
  const engine = await openEngine(daemon, join(dir, 'work'), images);
  return {
    engine,
    base: base.image,
    foreign: foreign.image,
    ownLabels: { [installationLabel]: 'of-the-test' },
    namesLines: false,
    contents: (image) => imageContents(registry.origin, image),
    killBuilder: () => daemon.kill(),
    startBuilder: () => daemon.start(),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
});

describe('the docker engine', () => {
  let daemon: TestDockerd;
  let base: string;
  let dir: string;
  before(async () => {
    daemon = await startDockerd();
    base = await daemon.load('shell');
  });
  after(() => daemon[Symbol.asyncDispose]());
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'towline-docker-'));
    await mkdir(join(dir, 'context'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  async function build(dockerfile: string, more: Partial<BuildRequest> & EngineOptions = {}) {
    const { config, deps, ...options } = more;
    await using engine = await openEngine(daemon, join(dir, 'work'), config, deps);
    const lines: string[] = [];
    const phases: string[] = [];
    await writeFile(join(dir, 'context/Dockerfile'), dockerfile);
    const result = await engine.build({
      buildId: 'b1',
      owner: 'alice',
      repo: 'repo',
      functionName: 'fn',
      contextDir: join(dir, 'context'),
      template: null,
      buildArgs: {},
      secrets: {},
      platforms: [],
      image: `${engine.registry}/alice/repo-fn:latest-main-1234567`,
      labels: {},
      timeoutMs: 60_000,
      onLine: (line) => lines.push(line),
      onPhase: (text) => phases.push(text),
      signal: new AbortController().signal,
      ...options,
    });
    return { ...result, lines, phases };
  }

  const inspect = async (image: string) =>
    JSON.parse(await daemon.docker(['image', 'inspect', image]))[0] as {
      Config: { Labels: Record<string, string>; Env: string[] };
      RepoTags: string[];
    };

  it('names the image, labels it, and tells each step of the Dockerfile', async () => {
    const { digest, phases } = await build(`FROM ${base}\nARG GREETING\nENV G=$GREETING\nRUN echo hi\n`, {
      labels: { 'org.opencontainers.image.revision': 'abc' },
      buildArgs: { GREETING: 'hello = you' },
    });
    const { Config, RepoTags } = await inspect(digest);
    assert.deepEqual(RepoTags, ['docker.towline.internal/c0ffee/alice/repo-fn:latest-main-1234567']);
    assert.equal(Config.Labels['org.opencontainers.image.revision'], 'abc');
    assert.equal(Config.Labels[installationLabel], 'of-the-test');
    assert.ok(Config.Env.includes('G=hello = you'));
    assert.ok(phases.some((phase) => phase.endsWith('RUN echo hi')));
  });

  it('shows secrets to the steps that ask for them, and to nobody else', async () => {
    const value = 'correct horse\nbattery';
    const script = 'cat /run/secrets/token | wc -c; tr "\\n" "-" < /run/secrets/token | tr a-y b-z';
    const { digest, lines } = await build(
      `FROM ${base}\nRUN --mount=type=secret,id=token ${script}\nRUN echo secrets: $(ls /run/secrets | wc -l)\n`,
      { secrets: { token: value } },
    );
    assert.equal(lines[0], String(value.length));
    assert.equal(lines[1], 'dpssfdu ipstf-cbuufsz');
    assert.equal(lines.at(-1), 'secrets: 0');
    const archive = join(dir, 'image.tar');
    await daemon.docker(['save', '--output', archive, digest]);
    assert.equal((await readFile(archive)).includes('correct horse'), false);
  });

  it('refuses a secret whose name could be read as another option', async () => {
    const secrets = { 'a,src=/etc/passwd': 'x' };
    await assert.rejects(build(`FROM ${base}\n`, { secrets }), { code: 'stack_invalid' });
  });

  it('says that the engine is away when it dies during a build', async () => {
    let killed: Promise<void> | undefined;
    const building = build(`FROM ${base}\nRUN echo going; exec sleep 600\n`, {
      onLine: (line) => {
        if (line === 'going') killed = daemon.kill();
      },
    });
    try {
      await assert.rejects(building, { code: 'engine_unavailable' });
    } finally {
      await killed;
      await daemon.start();
    }
  });

  it('ends what runs in the engine when a build is stopped', async () => {
    const marker = `${100_000 + process.pid}`;
    const slow = `FROM ${base}\nRUN sleep ${marker}\n`;
    await assert.rejects(build(slow, { timeoutMs: 3000 }), { code: 'build_timeout' });
    await untilGone(marker);
  });

  const failures: [name: string, dockerfile: string, code: string, message: RegExp][] = [
    [
      'a base image that is in no registry',
      'FROM 127.0.0.1:REGISTRY/no/such:1\n',
      'image_not_found',
      /no\/such:1/,
    ],
    ['a registry that is away', 'FROM 127.0.0.1:1/no/such:1\n', 'registry_unavailable', /127\.0\.0\.1:1/],
    [
      'a file to copy that is missing',
      'FROM BASE\nCOPY missing.txt /\n',
      'build_failed',
      /COPY missing\.txt.*missing\.txt/,
    ],
    ['an unknown instruction', 'FROM BASE\nRUM true\n', 'build_failed', /RUM/],
    ['a Dockerfile that is empty', '\n', 'build_failed', /no instructions|empty|no build stage/],
    [
      'a program that fails in the words of a registry',
      'FROM BASE\nRUN echo "Cannot connect to the Docker daemon: dial tcp: connection refused"; exit 4\n',
      'build_failed',
      /exit code 4/,
    ],
  ];
  for (const [name, dockerfile, code, message] of failures) {
    it(`tells ${name} by its code`, async () => {
      await using registry = await startRegistry();
      const text = dockerfile.replace('REGISTRY', String(registry.port)).replace('BASE', base);
      const hosts = [registry.host, '127.0.0.1:1'];
      const allowed = [...publicPatterns, ...hosts.flatMap((host) => parseRegistryPattern(host) ?? [])];
      const deps = { allowedRegistries: async () => allowed };
      await assert.rejects(build(text, { deps }), { code, message });
    });
  }

  it('lets nobody build on another owner’s image', async () => {
    await build(`FROM ${base}\nRUN echo private > /private\n`);
    const theirs = 'docker.towline.internal/alice/repo-fn:latest-main-1234567';
    for (const dockerfile of [`FROM ${theirs}\n`, `FROM ${base}\nCOPY --from=${theirs} /private /x\n`]) {
      const image = 'docker.towline.internal/bob/repo-fn:latest-main-7654321';
      await assert.rejects(build(dockerfile, { owner: 'bob', image }), { code: 'policy_refused' });
    }
  });

  it('refuses to build for several platforms at once', async () => {
    await assert.rejects(build(`FROM ${base}\n`, { platforms: ['linux/amd64', 'linux/arm64'] }), {
      code: 'build_failed',
      message: /one platform/,
    });
  });

  it('pushes to a registry, and gives the digest that the registry knows', async () => {
    await using registry = await startRegistry();
    const { digest } = await build(`FROM ${base}\nRUN echo pushed > /tmp/x\n`, {
      config: { registry: registry.host, isInsecure: true },
    });
    const url = `${registry.origin}/v2/alice/repo-fn/manifests/${digest}`;
    const accept = 'application/vnd.docker.distribution.manifest.v2+json';
    const answer = await fetch(url, { headers: { accept } });
    assert.equal(answer.status, 200, await answer.text());
  });

  it('pushes with the account of the operator, and pulls with the logins of the owner', async () => {
    await using registry = await startRegistry({ auth: 'htpasswd' });
    const { username, password } = registryAccount;
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    await writeFile(join(dir, 'config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
    const config = { registry: registry.host, isInsecure: true };
    await assert.rejects(build(`FROM ${base}\n`, { config }), { code: 'registry_unavailable' });
    const { digest } = await build(`FROM ${base}\nRUN echo kept > /tmp/kept\n`, {
      config: { ...config, dockerConfigDir: dir },
    });
    const image = `${registry.host}/alice/repo-fn:latest-main-1234567`;
    await using pushing = await openEngine(daemon, join(dir, 'asked'), { ...config, dockerConfigDir: dir });
    assert.equal(await pushing.has(`${image}@${digest}`), true);
    assert.equal(await pushing.has(`${image}@sha256:${'0'.repeat(64)}`), false);
    assert.deepEqual(await pushing.pullLogin(registry.host), { username, password });
    assert.equal(await pushing.pullLogin('ghcr.io'), undefined);

    for (const name of [image, digest]) await daemon.docker(['image', 'rm', '--force', name]).catch(() => '');
    const allowed = parseRegistryPattern(`http://${registry.host}`)!;
    const deps: EngineOptions['deps'] = {
      allowedRegistries: async () => [allowed],
      ownerLogins: async (id): Promise<Record<string, PullLogin>> =>
        id === 'id-of-alice' ? { [registry.host]: { username, password } } : {},
    };
    const dockerfile = `FROM ${image}\nRUN cat /tmp/kept\n`;
    await assert.rejects(build(dockerfile, { deps, ownerId: 'id-of-bob' }), { code: 'image_forbidden' });
    const { lines } = await build(dockerfile, { deps, ownerId: 'id-of-alice' });
    assert.ok(lines.includes('kept'), lines.join('\n'));
  });

  it('gives the build arguments of the installation to all builds, and a function’s own over them', async () => {
    const config = { buildArgs: { ONE: 'theirs', TWO: 'theirs' } };
    const dockerfile = `FROM ${base}\nARG ONE\nARG TWO\nRUN echo $ONE and $TWO\n`;
    const { lines } = await build(dockerfile, { config, buildArgs: { TWO: 'mine' } });
    assert.ok(lines.includes('theirs and mine'), lines.join('\n'));
  });

  it('leaves no folder, no container and no command behind', async () => {
    await build(`FROM ${base}\nRUN echo 1\n`);
    await assert.rejects(build(`FROM ${base}\nRUN exit 1\n`));
    assert.deepEqual(await readdir(join(dir, 'work')), ['.docker-engine']);
    assert.equal(await daemon.docker(['ps', '--all', '--quiet']), '');
  });

  it('says that the engine is away, and builds again when it is back', async () => {
    await daemon.kill();
    try {
      await assert.rejects(build(`FROM ${base}\nRUN echo 2\n`), { code: 'engine_unavailable' });
      const { PATH: path = '', ...environment } = daemon.env;
      const command = await findDockerCommand({ path, environment });
      await assert.rejects(requireEngine(connectDocker(command), command.host), {
        code: 'engine_unavailable',
        message: /^the Docker Engine at unix:.* does not answer: E[A-Z]+$/,
      });
    } finally {
      await daemon.start();
    }
    const { lines } = await build(`FROM ${base}\nRUN echo back again\n`);
    assert.ok(lines.includes('back again'));
  });

  it('says what is missing if there is no docker command that can build', async () => {
    await mkdir(join(dir, 'bin'));
    const search = { path: join(dir, 'bin'), environment: {} };
    await assert.rejects(findDockerCommand(search), {
      code: 'engine_unavailable',
      message: /not on the PATH/,
    });
    const script =
      '#!/bin/sh\n[ "$1" = --version ] && echo "Docker version 28.2.2, build x" && exit 0\nexit 1\n';
    await writeFile(join(dir, 'bin/docker'), script, { mode: 0o755 });
    await assert.rejects(findDockerCommand({ path: join(dir, 'bin'), environment: {} }), {
      code: 'engine_unavailable',
      message: /buildx/,
    });
  });
});

async function untilGone(argument: string): Promise<void> {
  for (;;) {
    let isThere = false;
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const line = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
      if (line.split('\0').includes(argument)) isThere = true;
    }
    if (!isThere) return;
    await wait(20);
  }
}
