import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { makeBaseImage, pushBaseImage } from '../containers/base-image.ts';
import { startBuildkitd, type TestBuildkitd } from '../containers/buildkitd.ts';
import { startDockerd, type TestDockerd } from '../containers/dockerd.ts';
import { imageContents } from '../containers/image-contents.ts';
import { startRegistry, type TestRegistry } from '../containers/registry.ts';
import { type Clone, nodeHandler, nodeStack, push, sourceRepository } from '../e2e/git-client.ts';
import { eventually, Product } from '../e2e/product.ts';

const run = promisify(execFile);
const functions = ['alpha', 'beta', 'gamma'];
interface Image {
  config: { Labels: Record<string, string>; User: string };
}

describe('the whole platform with --engine buildkit', () => {
  let registry: TestRegistry;
  let builder: TestBuildkitd;
  let docker: TestDockerd;
  let product: Product;
  let clone: Clone;
  let builderDir: string;
  const resources = new AsyncDisposableStack();
  const startBuilder = () => startBuildkitd({ registries: [registry.host], dir: builderDir });
  before(async () => {
    builderDir = await mkdtemp(join(tmpdir(), 'towline-builder-'));
    resources.defer(() => rmSync(builderDir, { recursive: true, force: true }));
    registry = resources.use(await startRegistry());
    docker = resources.use(await startDockerd());
    builder = await startBuilder();
    resources.defer(() => builder[Symbol.asyncDispose]());
    const base = await pushBaseImage(registry, await makeBaseImage('node'));
    product = resources.use(
      await Product.start({
        env: {
          PATH: docker.env['PATH'] ?? '',
          DOCKER_HOST: docker.host,
          TOWLINE_READY_TIMEOUT_MS: '60000',
          TOWLINE_ENGINE: 'buildkit',
          TOWLINE_BUILDKIT_ADDRESS: builder.address,
          TOWLINE_BUILDCTL: builder.buildctl,
          TOWLINE_REGISTRY: registry.host,
          TOWLINE_SHARED_IMAGES: 'base',
          TOWLINE_BUILD_ARGS: `NODE_IMAGE=${base.image}`,
        },
      }),
    );
    clone = await sourceRepository(product, 'demo', 'shop', product.token);
    resources.defer(() => clone[Symbol.dispose]());
  });
  after(() => resources.disposeAsync());

  /** What the GitOps repository says is to run. */
  async function committedImages(): Promise<Record<string, string>> {
    const images: Record<string, string> = {};
    for (const name of functions) {
      const args = ['--git-dir', product.ready.gitOpsPath, 'show', `HEAD:tenants/demo/${name}.yaml`];
      const { stdout } = await run('git', args);
      images[name] = /image: "?([^\s"]+)/.exec(stdout)?.[1] ?? '';
    }
    return images;
  }

  const ask = async (name: string) => (await product.call('demo', `/${name}`)).body;

  it('builds the functions of a stack into the registry, commits them by digest, and runs them', async () => {
    const files = Object.fromEntries(
      functions.map((name) => [`${name}/handler.js`, nodeHandler(`${name} one`)]),
    );
    const { terminal, commit } = await push(clone, 'Begin', {
      'stack.yml': nodeStack(...functions),
      ...files,
    });
    for (const name of functions) {
      assert.match(terminal, new RegExp(`${name} is live`));
      assert.equal(await ask(name), `${name} one`);
    }
    assert.match(terminal, /RUN if \[ -f handler\.js \]/);
    const images = await committedImages();
    for (const name of functions) {
      const image = images[name]!;
      const short = commit.slice(0, 7);
      assert.match(
        image,
        new RegExp(`^${registry.host}/demo/shop-${name}:latest-main-${short}@sha256:[0-9a-f]{64}$`),
      );
      const { config } = await imageContents<Image>(registry.origin, image);
      assert.equal(config.config.Labels['org.opencontainers.image.revision'], commit);
      assert.equal(config.config.User, '1000:1000');
    }
  });

  it('builds only what a later push changed', async () => {
    const before = await committedImages();
    const { terminal } = await push(clone, 'Change beta', { 'beta/handler.js': nodeHandler('beta two') });
    assert.match(terminal, /alpha: unchanged/);
    assert.match(terminal, /gamma: unchanged/);
    await eventually('it answers as changed', async () => (await ask('beta')) === 'beta two');
    const now = await committedImages();
    const digest = (image: string | undefined) => image?.split('@')[1];
    assert.notEqual(digest(now['beta']), digest(before['beta']));
    for (const name of ['alpha', 'gamma']) assert.equal(digest(now[name]), digest(before[name]));
  });

  it('waits for a builder that is away, says so, and deploys when it is back', async () => {
    await builder.program.kill();
    const pushing = push(clone, 'Change gamma', { 'gamma/handler.js': nodeHandler('gamma two') });
    await eventually('it says that it waits', async () => {
      const pushes = JSON.stringify(await product.api('GET', `/api/v1/owners/demo/pushes?limit=1`));
      return pushes.includes('the builder cannot be reached');
    });
    builder = await startBuilder();
    await pushing;
    await eventually('it answers as changed', async () => (await ask('gamma')) === 'gamma two');
  });

  it('fails a build that its own code fails, with the cause, and leaves the old version', async () => {
    const { terminal } = await push(clone, 'Break alpha', { 'alpha/handler.js': 'module.exports = (;\n' });
    assert.match(terminal, /SyntaxError/);
    assert.equal(await ask('alpha'), 'alpha one');
  });
});
