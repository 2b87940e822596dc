import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { desire } from './artifact-fixture.ts';
import {
  containerLimits,
  containerOptions,
  cpuCount,
  isOrdinaryUser,
  memoryBytes,
} from './container-options.ts';
import type { DesiredFunction } from './desired-function.ts';

function options(changes: Partial<DesiredFunction> = {}, imageUser = '1000', imageVolumes: string[] = []) {
  return containerOptions({
    version: desire(`sha256:${'a'.repeat(64)}`, changes),
    image: 'sha256:abc',
    imageUser,
    imageVolumes,
    network: 'net',
    marker: 'm',
    instanceId: 'i',
    secretsDir: undefined,
    limits: containerLimits,
  });
}

describe('the options of a container', () => {
  it('reads Kubernetes quantities', () => {
    const cases: [text: string | undefined, bytes: number | undefined][] = [
      ['128Mi', 134_217_728],
      ['1.5Gi', 1_610_612_736],
      ['1G', 1_000_000_000],
      ['1000', 1000],
      ['100m', 1],
      [undefined, undefined],
      ['', undefined],
      ['0', undefined],
      ['-1Mi', undefined],
      ['1 Mi', undefined],
      ['lots', undefined],
      ['999999999999999Ti', undefined],
    ];
    for (const [text, bytes] of cases) assert.equal(memoryBytes(text), bytes, String(text));
    assert.equal(cpuCount('250m'), 0.25);
    assert.equal(cpuCount('2'), 2);
  });

  it('never runs as root, whatever the image says', () => {
    // A name is what the image's own passwd says.
    const others = ['app', 'toor', 'root2', '1000x', '-1', '99999999999', '1000:root', ' 1000'];
    for (const user of ['', '0', '00', 'root', '0:0', 'root:root', '0:1000', ':1000', ...others]) {
      assert.equal(isOrdinaryUser(user), false, user);
      assert.equal(options({}, user).User, '65534:65534');
    }
    for (const user of ['1000:1000', '65532', '1000:0']) assert.equal(options({}, user).User, user);
  });

  it('gives bounded memory for the volumes of an image', () => {
    const of = (imageVolumes: string[]) => options({}, '1000', imageVolumes).HostConfig?.Mounts;
    const mounted = of(['/data', '/data/', '/tmp', '/srv/x', '/var/openfaas/secrets']);
    assert.deepEqual(
      mounted?.map(({ Type, Target, TmpfsOptions }) => [Type, Target, TmpfsOptions?.SizeBytes]),
      [
        ['tmpfs', '/data', containerLimits.tmpBytes],
        ['tmpfs', '/srv/x', containerLimits.tmpBytes],
      ],
    );
    const many = Array.from({ length: 9 }, (_, index) => `/v${index}`);
    assert.throws(() => of(many), { code: 'unhealthy' });
  });

  it('takes a function’s own limits over the installation’s', () => {
    const own = options({ limits: { memory: '64Mi', cpu: '100m' } }).HostConfig;
    assert.deepEqual([own?.Memory, own?.MemorySwap, own?.NanoCpus], [67_108_864, 67_108_864, 100_000_000]);
    const usual = options().HostConfig;
    assert.deepEqual([usual?.Memory, usual?.NanoCpus], [containerLimits.memoryBytes, 1_000_000_000]);
    const tiny = options({ limits: { memory: '1', cpu: '1m' } }).HostConfig;
    assert.deepEqual([tiny?.Memory, tiny?.NanoCpus], [6_291_456, 10_000_000]);
  });

  it('lets no environment change where it listens or what it may do', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (environment) => {
        const { Env, HostConfig } = options({
          environment: { ...environment, 'PORT=9 ': 'x', PORT: '1', http_port: '2' },
        });
        assert.deepEqual(Env?.filter((one) => /^(PORT|http_port)=/.test(one)).sort(), [
          'PORT=8080',
          'http_port=8080',
        ]);
        assert.deepEqual(HostConfig, options().HostConfig);
      }),
    );
    assert.deepEqual(options().HostConfig?.PortBindings, {
      '8080/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }],
    });
  });
});
