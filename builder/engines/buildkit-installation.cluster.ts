import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parseRegistryPattern, type RegistryPattern } from '../../runtime/registry/registry-pattern.ts';
import { makeBaseImage, pushBaseImage } from '../../test/containers/base-image.ts';
import { startBuildkitd, type TestBuildkitd } from '../../test/containers/buildkitd.ts';
import { imageContents } from '../../test/containers/image-contents.ts';
import { freePort } from '../../test/containers/program.ts';
import { registryAccount, startRegistry, type TestRegistry } from '../../test/containers/registry.ts';
import { type BuildkitEngine, createBuildkitEngine } from './build-engine-buildkit.ts';
import type { BuildkitEngineConfig } from './buildkit-engine-config.ts';
import { imageBuilder } from './image-engine.contract.ts';
import type { PullLogin } from './registry-logins.ts';

const run = promisify(execFile);
const basic = Buffer.from(`${registryAccount.username}:${registryAccount.password}`).toString('base64');

describe('an installation with BuildKit', () => {
  let dir: string;
  let registry: TestRegistry;
  let daemon: TestBuildkitd;
  let base: string;
  /** Which registries every owner's builds may use. */
  const allowed: RegistryPattern[] = [];
  const allow = (host: string) => allowed.push(...[parseRegistryPattern(host) ?? []].flat());
  const allowedRegistries = async () => allowed;
  const resources = new AsyncDisposableStack();
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'towline-installation-'));
    resources.defer(() => rm(dir, { recursive: true, force: true }));
    registry = resources.use(await startRegistry());
    allow(registry.host);
    daemon = resources.use(await startBuildkitd({ registries: [registry.host] }));
    base = (await pushBaseImage(registry, await makeBaseImage('shell'))).image;
  });
  after(() => resources.disposeAsync());

  async function settings(options: Partial<BuildkitEngineConfig>): Promise<BuildkitEngineConfig> {
    return {
      buildctl: daemon.buildctl,
      path: process.env['PATH']!,
      address: daemon.address,
      registry: registry.host,
      isInsecure: true,
      sharedFolders: ['base'],
      cache: 'none',
      cacheKey: 'of the test',
      workDir: await mkdtemp(join(dir, 'work-')),
      ...options,
    };
  }

  async function withEngine<T>(
    options: Partial<BuildkitEngineConfig>,
    use: (build: ReturnType<typeof imageBuilder>, engine: BuildkitEngine) => Promise<T>,
  ): Promise<T> {
    const engine = await createBuildkitEngine(await settings(options), { allowedRegistries });
    try {
      return await use(
        imageBuilder(
          () => engine,
          () => dir,
        ),
        engine,
      );
    } finally {
      await engine[Symbol.asyncDispose]();
    }
  }

  describe('whose daemon asks for certificates', () => {
    let secured: TestBuildkitd;
    let files: Certificates;
    before(async () => {
      files = await makeCertificates(join(dir, 'certificates'));
      const { ca, server, client } = files;
      const names = {
        ca,
        cert: server.cert,
        key: server.key,
        clientCert: client.cert,
        clientKey: client.key,
      };
      secured = await startBuildkitd({
        registries: [registry.host],
        tls: { port: await freePort(), ...names },
      });
    });
    after(() => secured?.[Symbol.asyncDispose]());

    it('builds with the right ones', async () => {
      const tls = { ca: files.ca, ...files.client };
      await withEngine({ address: secured.address, tls }, async (build) => {
        const { digest } = await build(`FROM ${base}\nRUN echo over TLS\n`);
        assert.match(digest, /^sha256:/);
      });
    });

    it('does not build with those of a stranger, and trusts no daemon that is one', async () => {
      const strange = await makeCertificates(join(dir, 'strange'));
      for (const tls of [
        { ca: files.ca, ...strange.client },
        { ca: strange.ca, ...files.client },
      ]) {
        await withEngine({ address: secured.address, tls }, async (build) => {
          await assert.rejects(build(`FROM ${base}\n`), { code: 'engine_unavailable' });
        });
      }
    });
  });

  describe('whose registry asks for a password', () => {
    let closed: TestRegistry;
    let closedDaemon: TestBuildkitd;
    let closedBase: string;
    const headers = { Authorization: `Basic ${basic}` };
    before(async () => {
      closed = await startRegistry({ auth: 'htpasswd' });
      allow(closed.host);
      closedDaemon = await startBuildkitd({ registries: [closed.host, registry.host] });
      closedBase = (await pushBaseImage(closed, await makeBaseImage('shell'), { headers })).image;
    });
    after(async () => {
      await closedDaemon?.[Symbol.asyncDispose]();
      await closed?.[Symbol.asyncDispose]();
    });

    async function configDir(auth: string): Promise<string> {
      const folder = await mkdtemp(join(dir, 'docker-'));
      await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [closed.host]: { auth } } }));
      return folder;
    }

    it('pushes with the password, which is gone from the disk afterwards', async () => {
      const dockerConfigDir = await configDir(basic);
      const workDir = await mkdtemp(join(dir, 'work-'));
      const closedSettings = {
        address: closedDaemon.address,
        registry: closed.host,
        dockerConfigDir,
        workDir,
      };
      await withEngine(closedSettings, async (build, engine) => {
        const { image, sizeBytes } = await build(`FROM ${closedBase}\nRUN echo kept > /made\n`);
        assert.ok(sizeBytes > 2_000_000);
        assert.equal(await engine.has(image), true);
        assert.deepEqual(await readdir(workDir), []);
        assert.deepEqual(await engine.pullLogin(closed.host), registryAccount);
        assert.equal(await engine.pullLogin('elsewhere.example'), undefined);
      });
    });

    it('waits for the operator if the password is wrong', async () => {
      const dockerConfigDir = await configDir(Buffer.from('tester:wrong').toString('base64'));
      const closedSettings = { address: closedDaemon.address, registry: closed.host, dockerConfigDir };
      await withEngine(closedSettings, async (build) => {
        await assert.rejects(build(`FROM ${base}\nRUN echo ${randomUUID()}\n`), {
          code: 'registry_unavailable',
          message: /does not let the platform store images/,
        });
      });
    });

    it("pulls base images with the owner's own login, and nobody else's", async () => {
      const ownerLogins = async (ownerId: string): Promise<Record<string, PullLogin>> =>
        ownerId === 'id-of-alice' ? { [closed.host]: registryAccount } : {};
      const config = await settings({ address: closedDaemon.address });
      await using engine = await createBuildkitEngine(config, { ownerLogins, allowedRegistries });
      const build = imageBuilder(
        () => engine,
        () => dir,
      );
      const dockerfile = `FROM ${closedBase}\nRUN echo private\n`;
      assert.ok((await build(dockerfile, { ownerId: 'id-of-alice' })).digest);
      await assert.rejects(build(dockerfile, { ownerId: 'id-of-bob' }), { code: 'image_forbidden' });
      await assert.rejects(build(dockerfile), { code: 'image_forbidden' });
    });

    it("tells a FROM that it may not pull, with the Dockerfile's line", async () => {
      await withEngine({ address: closedDaemon.address }, async (build) => {
        await assert.rejects(build(`# mine\nFROM ${closedBase}\n`), {
          code: 'image_forbidden',
          place: { file: 'Dockerfile', line: 2 },
        });
      });
    });
  });

  it('waits for a registry that is away, and builds when it is back', async () => {
    const port = await freePort();
    const dataDir = join(dir, 'data');
    const first = await startRegistry({ port, dataDir });
    const host = first.host;
    await using outside = await startBuildkitd({ registries: [host, registry.host] });
    await first[Symbol.asyncDispose]();
    await withEngine({ address: outside.address, registry: host }, async (build) => {
      const dockerfile = `FROM ${base}\nRUN echo built > /made\n`;
      await assert.rejects(build(dockerfile), { code: 'registry_unavailable' });
      await assert.rejects(build(`FROM ${host}/alice/x:1\n`), { code: 'registry_unavailable' });
      await using _ = await startRegistry({ port, dataDir });
      assert.match((await build(dockerfile)).digest, /^sha256:/);
    });
  });

  it('waits for a registry that answers with errors', async () => {
    const server = createServer((_, response) => response.writeHead(503).end('{}')).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const host = `127.0.0.1:${portOf(server)}`;
    await using outside = await startBuildkitd({ registries: [host, registry.host] });
    await withEngine({ address: outside.address, registry: host }, async (build) => {
      await assert.rejects(build(`FROM ${base}\nRUN echo ${randomUUID()}\n`), {
        code: 'registry_unavailable',
      });
    });
    server.close();
    server.closeAllConnections();
  });

  it('never reports success without a digest', async () => {
    const buildctl = join(dir, 'buildctl');
    await writeFile(buildctl, '#!/bin/sh\nexit 0\n');
    await chmod(buildctl, 0o755);
    await withEngine({ buildctl }, async (build) => {
      await assert.rejects(build(`FROM ${base}\n`), {
        code: 'engine_unavailable',
        message: /what it has built/,
      });
    });
  });

  it('says that buildctl is missing', async () => {
    await withEngine({ buildctl: join(dir, 'no-such-program') }, async (build) => {
      await assert.rejects(build(`FROM ${base}\n`), {
        code: 'engine_unavailable',
        message: /no-such-program/,
      });
    });
  });

  it('says that the daemon is away', async () => {
    await withEngine({ address: `unix://${dir}/nothing.sock` }, async (build) => {
      await assert.rejects(build(`FROM ${base}\n`), { code: 'engine_unavailable' });
    });
  });

  for (const cache of ['inline', 'registry'] as const) {
    it(`finds layers of another builder by the ${cache} cache`, async () => {
      const dockerfile = `FROM ${base}\nRUN echo ${randomUUID()} > /made\n`;
      await withEngine({ cache }, (build) => build(dockerfile));
      await using other = await startBuildkitd({ registries: [registry.host] });
      await withEngine({ cache, address: other.address }, async (build) => {
        const { phases } = await build(dockerfile);
        assert.ok(
          phases.some((phase) => /RUN echo.*\(cached\)/.test(phase)),
          phases.join('\n'),
        );
      });
    });
  }

  it('attaches provenance on request', async () => {
    await withEngine({ attestations: { provenance: 'max' } }, async (build, engine) => {
      const { image } = await build(`FROM ${base}\nRUN echo attested > /made\n`);
      const { blobs } = await imageContents(registry.origin, image);
      assert.ok(blobs.some((blob) => blob.includes('https://slsa.dev/provenance/')));
      assert.equal(await engine.has(image), true);
    });
  });

  it('gives no network to RUN steps if it is set so', async () => {
    const dockerfile = `FROM ${base}\nRUN wget -q -O - http://${registry.host}/v2/ && echo ${randomUUID()}\n`;
    await withEngine({}, (build) => build(dockerfile));
    await withEngine({ network: 'none' }, async (build) => {
      await assert.rejects(build(dockerfile), { code: 'build_failed', message: /exit code 1/ });
    });
  });

  it('lets no Dockerfile have the network of the host or more rights by itself', async () => {
    for (const flag of ['--network=host', '--security=insecure']) {
      await withEngine({}, async (build) => {
        await assert.rejects(build(`FROM ${base}\nRUN ${flag} true\n`), { code: 'build_failed' });
      });
    }
  });

  it("keeps the owners' cache mounts apart", async () => {
    const dockerfile = (line: string) =>
      `FROM ${base}\nRUN --mount=type=cache,id=shared,target=/c echo ${randomUUID()}; ${line}\n`;
    const ls = async (owner: string) =>
      withEngine({}, (build) =>
        build(dockerfile('ls /c'), { owner, image: `${registry.host}/${owner}/x:1` }),
      );
    await withEngine({}, (build) => build(dockerfile('touch /c/of-alice')));
    assert.ok((await ls('alice')).lines.includes('of-alice'));
    assert.ok(!(await ls('bob')).lines.includes('of-alice'));
    const buildArgs = { BUILDKIT_CACHE_MOUNT_NS: 'alice' };
    const tricky = await withEngine({}, (build) =>
      build(dockerfile('ls /c'), { owner: 'bob', image: `${registry.host}/bob/x:1`, buildArgs }),
    );
    assert.ok(!tricky.lines.includes('of-alice'));
    assert.ok(tricky.lines.some((line) => /BUILDKIT_CACHE_MOUNT_NS.*left out/.test(line)));
  });

  it('stops a build that prints without end', async () => {
    await withEngine({}, async (build) => {
      await assert.rejects(build(`FROM ${base}\nRUN yes 0123456789012345678901234567890123456789\n`), {
        code: 'build_failed',
        message: /printed more than/,
      });
    });
  });
});

interface Pair {
  cert: string;
  key: string;
}

interface Certificates {
  ca: string;
  server: Pair;
  client: Pair;
}

/** An authority with a server's and a client's certificate, as PEM files. */
async function makeCertificates(dir: string): Promise<Certificates> {
  await mkdir(dir, { recursive: true });
  const at = (name: string) => join(dir, name);
  const openssl = (args: string[]) => run('openssl', args, { cwd: dir });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  await openssl([
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=test authority',
  ]);
  const issue = async (name: string, usage: string): Promise<Pair> => {
    const extensions = `subjectAltName=IP:127.0.0.1\nextendedKeyUsage=${usage}\n`;
    await writeFile(at(`${name}.ext`), extensions);
    await openssl(['req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`]);
    const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
    await openssl([
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      ...signer,
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.pem`,
    ]);
    return { cert: at(`${name}.pem`), key: at(`${name}.key`) };
  };
  const server = await issue('server', 'serverAuth');
  const client = await issue('client', 'clientAuth');
  return { ca: at('ca.pem'), server, client };
}

function portOf(server: Server): number {
  return (server.address() as { port: number }).port;
}
