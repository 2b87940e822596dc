import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeBaseImage, pushBaseImage } from '../../test/containers/base-image.ts';
import { startBuildkitd, type TestBuildkitd } from '../../test/containers/buildkitd.ts';
import { startDockerd, type TestDockerd } from '../../test/containers/dockerd.ts';
import { startRegistry, type TestRegistry } from '../../test/containers/registry.ts';
import type { BuildEngine } from '../engines/build-engine.ts';
import { createBuildkitEngine } from '../engines/build-engine-buildkit.ts';
import { type BenchRuntime, createBench, writeFiles } from './built-function.contract.ts';
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
  let daemon: TestBuildkitd;
  let bases: Record<string, string>;
  const resources = new AsyncDisposableStack();
  before(async () => {
    registry = resources.use(await startRegistry());
    docker = resources.use(await startDockerd());
    daemon = resources.use(await startBuildkitd({ registries: [registry.host] }));
    const node = await pushBaseImage(registry, await makeBaseImage('node'));
    const python = await pushBaseImage(registry, await makeBaseImage('python'));
    bases = { NODE_IMAGE: node.image, PYTHON_IMAGE: python.image };
  });
  after(() => resources.disposeAsync());

  async function createImageRuntime(dir: string): Promise<BenchRuntime> {
    const engine = await createBuildkitEngine({
      buildctl: daemon.buildctl,
      path: process.env['PATH']!,
      address: daemon.address,
      registry: registry.host,
      isInsecure: true,
      sharedFolders: ['base'],
      cache: 'none',
      cacheKey: 'of the test',
      workDir: join(dir, 'work'),
      buildArgs: bases,
    });
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
      [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
    };
  }

  describeHttpTemplate(nodeSubject, process.env['PATH']!, createImageRuntime);
  describeHttpTemplate(pythonSubject, process.env['PATH']!, createImageRuntime);

  describe('and the functions in them', () => {
    let bench: Awaited<ReturnType<typeof createBench>>;
    before(async () => {
      bench = await createBench(process.env['PATH']!, createImageRuntime);
    });
    after(() => bench[Symbol.asyncDispose]());

    const linked = {
      name: 'x',
      version: '1.0.0',
      scripts: { test: 'node test.js' },
      dependencies: { greeting: 'file:./greeting' },
    };
    const files = {
      'handler.js': `module.exports = async () => require('greeting') + process.getuid();`,
      'package.json': JSON.stringify(linked),
      'package-lock.json': JSON.stringify({
        name: 'x',
        version: '1.0.0',
        lockfileVersion: 3,
        packages: {
          '': { name: 'x', version: '1.0.0', dependencies: linked.dependencies },
          greeting: { version: '1.0.0' },
          'node_modules/greeting': { resolved: 'greeting', link: true },
        },
      }),
      'greeting/package.json': '{"name":"greeting","version":"1.0.0"}',
      'greeting/index.js': `module.exports = 'installed for ';`,
      'test.js': `console.log('tested', require('greeting').length);`,
    };

    it('have their packages by the lock file, are tested in the build, and run without rights', async () => {
      const built = await bench.buildFiles('node', files);
      assert.ok(built.lines.includes('tested 14'), built.lines.join('\n'));
      const { origin } = await bench.start(built.artifactDir);
      assert.equal(await (await fetch(origin)).text(), 'installed for 1000');
      const { User, ExposedPorts, StopSignal, Env } = JSON.parse(
        await docker.docker(['image', 'inspect', '--format', '{{json .Config}}', built.artifactDir]),
      );
      assert.deepEqual([User, Object.keys(ExposedPorts), StopSignal], ['1000:1000', ['8080/tcp'], 'SIGTERM']);
      assert.ok(Env.includes('NODE_ENV=production'));
    });

    it('are not built if their tests fail, nor with a mistake in the handler', async () => {
      const failing = { ...files, 'test.js': `console.log('Error: greeting is rude'); process.exit(3);` };
      await assert.rejects(bench.buildFiles('node', failing), {
        code: 'build_failed',
        message: /exit code 3: Error: greeting is rude/,
      });
      await assert.rejects(bench.buildFiles('node', { 'handler.js': 'module.exports = (;' }), {
        code: 'build_failed',
        message: /SyntaxError/,
      });
    });

    it("run npm's tests unless they are its placeholder", async () => {
      const test = 'echo "Error: no test specified" && exit 1';
      await bench.buildFiles('node', {
        'handler.js': 'module.exports = async () => 1;',
        'package.json': JSON.stringify({ scripts: { test } }),
      });
    });

    it('in python are tested by the command that stack.yml gives', async () => {
      const tests = {
        'handler.py': 'def handle(event, context):\n    return "hi"\n',
        'test_handler.py':
          'import unittest\nfrom handler import handle\nclass T(unittest.TestCase):\n' +
          '    def test(self):\n        self.assertEqual(handle(None, None), "bye")\n',
      };
      const extra = ', build_args: {TEST_COMMAND: python3 -m unittest}';
      await assert.rejects(bench.buildFiles('python3-http', tests, extra), {
        code: 'build_failed',
        message: /exit code 1: .*(?:AssertionError|FAILED)/,
      });
      await bench.buildFiles('python3-http', tests);
    });

    it('that start a process for each request have the watchdog and its settings', async () => {
      // A stand-in: the public image cannot be had without the network.
      const image = await buildStandIn(bench);
      const built = await bench.buildFiles(
        'python3',
        { 'handler.py': 'def handle(req):\n    return req.upper()\n' },
        `, build_args: {WATCHDOG_IMAGE: "${image}"}`,
      );
      await docker.docker(['pull', '--quiet', built.artifactDir]);
      const said = await docker.docker(['run', '--rm', ...hardened, built.artifactDir]);
      assert.equal(said, 'mode serializing port 8080 says ABC');
    });
  });
});

/** An image with a `/fwatchdog` that asks the function once and tells its settings; its full reference. */
async function buildStandIn({ dir, engine }: { dir: string; engine: BuildEngine }): Promise<string> {
  const contextDir = join(dir, 'watchdog');
  const script = '#!/bin/sh\necho "mode $mode port $port says $(echo -n abc | $fprocess)"\n';
  const dockerfile = 'FROM scratch\nCOPY --chmod=755 fwatchdog /fwatchdog\n';
  await writeFiles(contextDir, { Dockerfile: dockerfile, fwatchdog: script });
  const image = `${engine.registry}/demo/watchdog:1`;
  const { digest } = await engine.build({
    buildId: 'b1',
    owner: 'demo',
    repo: 'repo',
    functionName: 'watchdog',
    contextDir,
    template: null,
    buildArgs: {},
    secrets: {},
    platforms: [],
    image,
    labels: {},
    timeoutMs: 60_000,
    onLine: () => {},
    signal: new AbortController().signal,
  });
  return `${image}@${digest}`;
}
