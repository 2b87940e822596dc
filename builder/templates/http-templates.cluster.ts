import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeBaseImage, pushBaseImage } from '../../test/containers/base-image.ts';
import { startBuildkitd } from '../../test/containers/buildkitd.ts';
import { startDockerd, type TestDockerd } from '../../test/containers/dockerd.ts';
import { startRegistry, type TestRegistry } from '../../test/containers/registry.ts';
import { createBuildkitEngine } from '../engines/build-engine-buildkit.ts';
import type { BenchRuntime } from './built-function.contract.ts';
import { describeHttpTemplate } from './http-template.contract.ts';
import { nodeSubject, pythonSubject } from './http-template-fixture.ts';

/** As a careful installation runs functions: nothing writable but /tmp, no rights, no other user. */
const hardened = [
  ...['--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
  ...['--network', 'host', '--env', 'HOST=127.0.0.1'],
];

/** Builds with BuildKit into a registry, and runs from there with Docker. */
describe('the images that BuildKit makes of the templates', () => {
  let registry: TestRegistry;
  let docker: TestDockerd;
  const resources = new AsyncDisposableStack();
  before(async () => {
    registry = resources.use(await startRegistry());
    docker = resources.use(await startDockerd());
  });
  after(() => resources.disposeAsync());

  async function createImageRuntime(dir: string): Promise<BenchRuntime> {
    await using stack = new AsyncDisposableStack();
    const daemon = stack.use(await startBuildkitd({ registries: [registry.host] }));
    const node = await pushBaseImage(registry, await makeBaseImage('node'));
    const python = await pushBaseImage(registry, await makeBaseImage('python'));
    const engine = stack.use(
      await createBuildkitEngine({
        buildctl: daemon.buildctl,
        path: process.env['PATH']!,
        address: daemon.address,
        registry: registry.host,
        isInsecure: true,
        sharedFolders: ['base'],
        cache: 'none',
        workDir: join(dir, 'work'),
        buildArgs: { NODE_IMAGE: node.image, PYTHON_IMAGE: python.image },
      }),
    );
    const owned = stack.move();
    return {
      engine,
      buildArgs: {},
      place: (image, digest) => `${image}@${digest}`,
      async spawn(image, environment, port) {
        await docker.docker(['pull', '--quiet', image]);
        const variables = Object.entries({ ...environment, PORT: String(port) });
        const env = variables.flatMap(([name, value]) => ['--env', `${name}=${value}`]);
        return spawn('docker', ['run', '--rm', ...hardened, ...env, image], { env: docker.env });
      },
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  }

  describeHttpTemplate(nodeSubject, process.env['PATH']!, createImageRuntime);
  describeHttpTemplate(pythonSubject, process.env['PATH']!, createImageRuntime);

  it('are run by a user without rights and stop at SIGTERM', async () => {
    assert.ok(registry);
  });
});
