import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfig } from '../../runtime/config.ts';
import type { BuildRequest } from './build-engine.ts';
import { buildctlCall, sourcePolicy } from './buildkit-arguments.ts';
import { buildkitConfig, buildkitSettings } from './buildkit-settings.ts';
import { publicPatterns } from './image-sources.ts';

const folders = { path: '/bin', workDir: '/work', cacheKey: 'of the test' };
const configOf = (env: Record<string, string>) => buildkitConfig(readConfig(buildkitSettings, env), folders);

describe("BuildKit's settings", () => {
  it('need a registry, and no more for a daemon on the same machine', () => {
    assert.throws(() => configOf({}), { code: 'config_invalid', message: /TOWLINE_REGISTRY/ });
    const config = configOf({ TOWLINE_REGISTRY: 'registry.example/team' });
    assert.deepEqual(
      [config.registry, config.isInsecure, config.tls, config.cache],
      ['registry.example/team', false, undefined, 'none'],
    );
  });

  it('speak without TLS to a registry on loopback, or where that is written', () => {
    assert.equal(configOf({ TOWLINE_REGISTRY: '127.0.0.1:5000' }).isInsecure, true);
    assert.equal(configOf({ TOWLINE_REGISTRY: 'http://registry.internal:5000' }).isInsecure, true);
    assert.equal(configOf({ TOWLINE_REGISTRY: 'registry.internal:5000' }).isInsecure, false);
  });

  it('take a TCP address with certificates only', () => {
    const tcp = { TOWLINE_REGISTRY: 'registry.example', TOWLINE_BUILDKIT_ADDRESS: 'tcp://buildkitd:1234' };
    assert.throws(() => configOf({ ...tcp, TOWLINE_BUILDKIT_CA: '/ca' }), { code: 'config_invalid' });
    const files = {
      TOWLINE_BUILDKIT_CA: '/ca',
      TOWLINE_BUILDKIT_CERT: '/cert',
      TOWLINE_BUILDKIT_KEY: '/key',
    };
    const { tls } = configOf({ ...tcp, ...files });
    assert.deepEqual(tls, { ca: '/ca', cert: '/cert', key: '/key', serverName: undefined });
  });

  it('refuse what they cannot be, naming the variable', () => {
    const wrong = {
      TOWLINE_BUILDKIT_ADDRESS: 'buildkitd',
      TOWLINE_BUILD_ARGS: 'no value',
      TOWLINE_REGISTRY: 'a b',
    };
    assert.throws(
      () => configOf(wrong),
      (error: Error) => {
        for (const name of Object.keys(wrong)) assert.ok(error.message.includes(name), error.message);
        return true;
      },
    );
  });
});

describe("BuildKit's arguments", () => {
  const config = configOf({ TOWLINE_REGISTRY: 'registry.example', TOWLINE_BUILD_ARGS: 'A=common,B=common' });
  const request: BuildRequest = {
    buildId: 'b1',
    owner: 'alice',
    repo: 'repo',
    functionName: 'fn',
    contextDir: '/context',
    template: null,
    buildArgs: { B: 'own', BUILDKIT_CACHE_MOUNT_NS: 'bob' },
    secrets: { token: 'open-sesame' },
    platforms: [],
    image: 'registry.example/alice/repo-fn:1',
    labels: {},
    timeoutMs: 1000,
    onLine: () => {},
    signal: new AbortController().signal,
  };
  const { args, environment } = buildctlCall(config, request, { metadata: '/m', sourcePolicy: '/p' });

  it('hold no value of a secret, which comes by the environment', () => {
    assert.ok(!args.join(' ').includes('open-sesame'));
    assert.deepEqual(Object.values(environment), ['open-sesame']);
  });

  it("let a function's build arguments go over the installation's, but not over the platform's", () => {
    const given = args.filter((arg) => arg.startsWith('build-arg:'));
    assert.deepEqual(given.filter((arg) => !arg.includes('SOURCE_DATE_EPOCH')).sort(), [
      'build-arg:A=common',
      'build-arg:B=own',
      'build-arg:BUILDKIT_CACHE_MOUNT_NS=alice',
    ]);
  });

  it("allow images of the owner's folder by whole segments, whatever the host's spelling", () => {
    const { rules } = JSON.parse(
      sourcePolicy({ registry: 'registry.example', folders: ['alice'], allowed: publicPatterns }),
    ) as {
      rules: { action: string; selector: { identifier: string } }[];
    };
    const allows = (image: string) => {
      let allowed = true;
      for (const { action, selector } of rules) {
        const pattern = new RegExp(selector.identifier.replace('(?i)', ''), 'i');
        if (pattern.test(`docker-image://${image}`)) allowed = action === 'ALLOW';
      }
      return allowed;
    };
    assert.equal(allows('registry.example/alice/x:1'), true);
    assert.equal(allows('docker.io/library/node:24'), true);
    assert.equal(allows('docker.io/docker/dockerfile:1'), true);
    for (const image of [
      'registry.example/bob/x',
      'registry.example/alice-b/x',
      'REGISTRY.example/bob/x',
      'registryXexample/alice/x:1',
      'docker.io.evil.example/x',
    ]) {
      assert.equal(allows(image), false, image);
    }
  });
});
