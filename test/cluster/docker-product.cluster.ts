import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { FunctionDetail } from '../../core/api.ts';
import { apiPaths } from '../../core/paths.ts';
import { startDockerd, type TestDockerd } from '../containers/dockerd.ts';
import { shellServer } from '../containers/shell-server.ts';
import { type Clone, push, sourceRepository } from '../e2e/git-client.ts';
import { load } from '../e2e/load.ts';
import { eventually, Product } from '../e2e/product.ts';

/** A function that does as it is told, to see from the inside what its container allows. */
const probe = (version: string) => `
const fs = require('node:fs');
const keep = [];
async function answer(query) {
  if (query.read) return fs.readFileSync(query.read, 'utf8');
  if (query.write) return fs.writeFileSync(query.write, 'x') ?? 'written';
  if (query.fetch) return 'reached ' + (await fetch(query.fetch, { signal: AbortSignal.timeout(2000) })).status;
  if (query.eat) for (;;) keep.push(Buffer.alloc(8_000_000, 1));
  if (query.crash) process.exit(3);
  return ${JSON.stringify(version)};
}
module.exports = async (event, context) =>
  context.status(200).succeed(await answer(event.query).catch((error) => 'failed: ' + (error.code ?? error.message)));
`;

function stack(base: string, name: string, more = ''): string {
  return `version: 1.0
provider:
  name: openfaas
functions:
  ${name}:
    lang: node
    handler: ./${name}
    build_args:
      NODE_IMAGE: ${base}
${more}`;
}

interface Inspected {
  Config: { User: string; Labels: Record<string, string> };
  HostConfig: {
    Memory: number;
    MemorySwap: number;
    NanoCpus: number;
    PidsLimit: number;
    ReadonlyRootfs: boolean;
    CapDrop: string[];
    SecurityOpt: string[];
    NetworkMode: string;
    Binds: string[] | null;
  };
  NetworkSettings: { Networks: Record<string, { IPAddress: string; Gateway: string }> };
  State: { Running: boolean };
}

describe('the whole platform with --engine docker', () => {
  let daemon: TestDockerd;
  let product: Product;
  let nodeBase: string;
  let shellBase: string;
  const clones: Clone[] = [];
  before(async () => {
    daemon = await startDockerd();
    nodeBase = await daemon.load('node');
    shellBase = await daemon.load('shell');
    product = await Product.start({ env: { ...environment(), TOWLINE_ENGINE: 'docker' } });
  });
  after(async () => {
    for (const clone of clones) clone[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
    await daemon?.[Symbol.asyncDispose]();
  });

  const environment = () => ({
    PATH: daemon.env['PATH'] ?? '',
    DOCKER_HOST: daemon.host,
    TOWLINE_READY_TIMEOUT_MS: '30000',
  });

  async function repository(owner: string, name: string, token = product.token): Promise<Clone> {
    const clone = await sourceRepository(product, owner, name, token);
    clones.push(clone);
    return clone;
  }

  /** The containers of a function, running or not. */
  async function containers(objectName: string): Promise<string[]> {
    const filter = `label=dev.towline.function=${objectName}`;
    const ids = await daemon.docker(['ps', '--all', '--quiet', '--no-trunc', '--filter', filter]);
    return ids.split('\n').filter((id) => id !== '');
  }

  async function inspect(objectName: string): Promise<Inspected> {
    const [id, ...more] = await containers(objectName);
    assert.ok(id, `no container of ${objectName}`);
    assert.deepEqual(more, []);
    return JSON.parse(await daemon.docker(['inspect', id]))[0] as Inspected;
  }

  async function entry(name: string) {
    const detail = await product.api<FunctionDetail>('GET', apiPaths.function('demo', name));
    assert.ok(detail.entry);
    return detail.entry;
  }
  const ask = async (path: string, owner = 'demo') => (await product.call(owner, path)).body;

  it('answers at its URL when the push returns, out of a container', async () => {
    const clone = await repository('demo', 'app');
    const limits = '    limits:\n      memory: 96Mi\n      cpu: 500m\n';
    const { terminal } = await push(clone, 'Begin', {
      'stack.yml': stack(nodeBase, 'probe', limits),
      'probe/handler.js': probe('one'),
    });
    assert.match(terminal, /probe is live/);
    assert.equal(await ask('/probe'), 'one');
    assert.equal((await containers('demo-probe')).length, 1);
  });

  it('gives a container what the function may use, and nothing more', async () => {
    const { Config, HostConfig, NetworkSettings } = await inspect('demo-probe');
    assert.equal(HostConfig.Memory, 96 * 1024 * 1024);
    assert.equal(HostConfig.MemorySwap, HostConfig.Memory);
    assert.equal(HostConfig.NanoCpus, 500_000_000);
    assert.equal(HostConfig.PidsLimit, 512);
    assert.equal(HostConfig.ReadonlyRootfs, true);
    assert.deepEqual(HostConfig.CapDrop, ['ALL']);
    assert.deepEqual(HostConfig.SecurityOpt, ['no-new-privileges']);
    assert.deepEqual(
      Object.keys(NetworkSettings.Networks).map((name) => name.replace(/-.*/, '')),
      ['towline'],
    );
    assert.equal(HostConfig.Binds, null);
    assert.equal(Config.User, '1000:1000');

    const status = await ask('/probe?read=/proc/self/status');
    assert.match(status, /^CapEff:\t0+$/m);
    assert.match(status, /^CapBnd:\t0+$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Uid:\t1000\t1000\t1000\t1000$/m);
    assert.equal(await ask('/probe?write=/home/app/x'), 'failed: EROFS');
    assert.equal(await ask('/probe?write=/etc/x'), 'failed: EROFS');
    assert.equal(await ask('/probe?write=/tmp/x'), 'written');
  });

  it('fails no request while it is redeployed', async () => {
    const [clone] = clones;
    assert.ok(clone);
    const redeploying = (async () => {
      for (const version of ['two', 'three']) {
        await push(clone, `Say ${version}`, { 'probe/handler.js': probe(version) });
      }
    })();
    const { answers, failures } = await load(product, 'demo', '/probe', 40, redeploying);
    await redeploying;
    assert.deepEqual(failures, []);
    assert.deepEqual([...answers.keys()], ['one', 'two', 'three']);
    await eventually(
      'the old containers are gone',
      async () => (await containers('demo-probe')).length === 1,
    );
  });

  it('starts a container again that was killed, and one that ran out of memory', async () => {
    const [first] = await containers('demo-probe');
    await daemon.docker(['kill', first!]);
    await eventually('it answers again', async () => (await ask('/probe')) === 'three');
    const [second] = await containers('demo-probe');
    assert.notEqual(second, first);

    const reasons = new Set<string>();
    const watching = eventually('it says why', async () => {
      const { reason } = await entry('probe');
      if (reason !== null) reasons.add(reason);
      return reason?.includes('ran out of memory');
    });
    await product.call('demo', '/probe?eat=1').catch(() => undefined);
    await watching.catch((error: unknown) => {
      throw new Error(`${String(error)}; it said ${[...reasons].join(' | ')}`);
    });
    await eventually('it answers again', async () => (await ask('/probe')) === 'three');
  });

  it('keeps tenants from each other and from the platform', async () => {
    const token = await product.createOwner('bob');
    const clone = await repository('bob', 'app', token);
    await push(clone, 'Begin', {
      'stack.yml': stack(nodeBase, 'neighbour'),
      'neighbour/handler.js': probe('bob'),
    });
    assert.equal(await ask('/neighbour', 'bob'), 'bob');
    const { NetworkSettings } = await inspect('demo-probe');
    const [network] = Object.values(NetworkSettings.Networks);
    assert.ok(network);
    const reach = (url: string) => ask(`/neighbour?fetch=${encodeURIComponent(url)}`, 'bob');
    assert.match(await reach(`http://${network.IPAddress}:8080/`), /^failed/);
    for (const host of [network.Gateway, '127.0.0.1', 'localhost']) {
      assert.match(await reach(`http://${host}:${product.port}/healthz`), /^failed/, host);
    }
    // What a function publishes on this machine is for this machine alone.
    const { origin } = (await entry('probe')).targets[0]!;
    assert.match(await reach(origin.replace('127.0.0.1', network.Gateway)), /^failed/);
    assert.equal(await reach('http://127.0.0.1:8080/'), 'reached 200');
  });

  it('builds a Dockerfile, as nobody if it names no user', async () => {
    const clone = await repository('demo', 'own');
    await push(clone, 'Begin', {
      'stack.yml':
        'version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n  own:\n    lang: dockerfile\n    handler: ./own\n',
      'own/Dockerfile': `FROM ${shellBase}\nCOPY serve.sh /serve.sh\nCMD ["sh", "/serve.sh"]\n`,
      'own/serve.sh': `${shellServer('$(id -u)')}\n`,
    });
    assert.equal((await inspect('demo-own')).Config.User, '65534:65534');
    await eventually('it says who it is', async () => (await ask('/own')) === '65534');
  });

  it('shows a function its secrets as files that it can only read', async () => {
    const dir = join(product.dataDir, 'secrets', 'local-demo');
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, 'api-key'), 's3cret value', { mode: 0o600 });
    const clone = await repository('demo', 'secretive');
    await push(clone, 'Begin', {
      'stack.yml': stack(nodeBase, 'secretive', '    secrets:\n      - api-key\n'),
      'secretive/handler.js': probe('ready'),
    });
    assert.equal(await ask('/secretive?read=/var/openfaas/secrets/api-key'), 's3cret value');
    assert.equal(await ask('/secretive?write=/var/openfaas/secrets/api-key'), 'failed: EROFS');
    const described = await daemon.docker(['inspect', (await containers('demo-secretive'))[0]!]);
    assert.equal(described.includes('s3cret'), false);
  });

  it('ends the containers of a killed platform at its next start, and no others', async () => {
    await daemon.docker(['run', '--detach', '--name', 'foreign', shellBase, 'sleep', '100000']);
    const before = new Set(await containers('demo-probe'));
    await product.kill();
    assert.equal((await containers('demo-probe')).length, 1);
    await product.start();
    await eventually('it answers again', async () => (await ask('/probe')) === 'three');
    const now = await containers('demo-probe');
    assert.equal(now.length, 1);
    assert.equal(before.has(now[0]!), false);
    assert.match(await daemon.docker(['ps', '--format', '{{.Names}}']), /^foreign$/m);
    await daemon.docker(['rm', '--force', 'foreign']);
  });

  it('tells of an engine that has died, and serves and builds again when it is back', async () => {
    const [clone] = clones;
    assert.ok(clone);
    await daemon.kill();
    const degraded = await eventually('it says why', async () => {
      const found = await entry('probe');
      return found.reason?.includes('Docker Engine does not answer') ? found : undefined;
    });
    assert.equal(degraded.status, 'Degraded');
    const pushing = push(clone, 'Say four', { 'probe/handler.js': probe('four') });
    await daemon.start();
    await eventually(
      'the old version answers',
      async () => (await product.call('demo', '/probe')).status === 200,
      90_000,
    );
    await pushing;
    await eventually('the new version answers', async () => (await ask('/probe')) === 'four', 90_000);
    await eventually('nothing is left over', async () => (await containers('demo-probe')).length === 1);
  });

  it('ends the container of a function that nobody calls, and starts one with the next call', async () => {
    const version = await ask('/probe');
    await product.stop();
    const sleepy = { ...environment(), TOWLINE_ENGINE: 'docker', TOWLINE_IDLE_AFTER_MS: '2000' };
    const again = await Product.start({ dataDir: product.dataDir, env: sleepy });
    try {
      const status = async () =>
        (await again.api<FunctionDetail>('GET', apiPaths.function('demo', 'probe'))).entry?.status;
      await eventually('it sleeps', async () => (await status()) === 'Asleep', 90_000);
      await eventually('its container is gone', async () => (await containers('demo-probe')).length === 0);
      assert.equal((await again.call('demo', '/probe')).body, version);
      assert.equal((await containers('demo-probe')).length, 1);
      assert.equal(await status(), 'Ready');
    } finally {
      await again[Symbol.asyncDispose]();
    }
    assert.deepEqual(await containers('demo-probe'), []);
    await product.start();
  });

  it('leaves no container when it is stopped', async () => {
    assert.equal(await product.stop(), 0);
    assert.equal(await daemon.docker(['ps', '--all', '--quiet']), '');
  });

  it('says in one line that there is no engine, and ends', async () => {
    const env = {
      ...environment(),
      DOCKER_HOST: 'unix:///nonexistent/docker.sock',
      TOWLINE_ENGINE: 'docker',
    };
    await assert.rejects(Product.start({ env }), (error: Error) => {
      assert.match(error.message, /ended with 3 before it was ready/);
      assert.match(error.message, /^towline: the Docker Engine at unix:\S+ does not answer: ENOENT/m);
      return true;
    });
  });
});
