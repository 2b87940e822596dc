import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BuildkitFailure, buildkitError, isUploadCollision } from './buildkit-failure.ts';

function failure(
  name: string | undefined,
  error: string,
  more: Partial<BuildkitFailure> = {},
): BuildkitFailure {
  const step = name === undefined ? undefined : { name, error, telling: 'Error: telling' };
  const text = `Dockerfile:4\n----\n   4 | >>> FROM x\n----\nerror: failed to solve: ${error}\n`;
  return { step, text, registry: 'registry.example/team', isOwnDockerfile: true, ...more };
}

const metadata = '[internal] load metadata for ghcr.io/acme/base:1';
const cases: [string, string | undefined, string, string][] = [
  [
    'a program of its own',
    '[2/3] RUN npm test',
    'process "/bin/sh -c npm test" did not complete successfully: exit code: 1',
    'build_failed',
  ],
  [
    'a program that speaks of an outage',
    '[2/3] RUN x',
    'process "/bin/sh -c echo code = Unavailable: no space left on device 503" did not complete successfully: exit code: 1',
    'build_failed',
  ],
  ['a missing base image', metadata, 'ghcr.io/acme/base:1: not found', 'image_not_found'],
  [
    'a host that is none',
    metadata,
    'failed to do request: Head "https://x/v2/": dial tcp: lookup x: no such host',
    'image_not_found',
  ],
  [
    'a base image that may not be pulled',
    metadata,
    'pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
    'image_forbidden',
  ],
  [
    'a registry of base images that is away',
    metadata,
    'failed to do request: dial tcp 10.0.0.1:443: connect: connection refused',
    'registry_unavailable',
  ],
  [
    'a registry of base images with errors',
    metadata,
    'unexpected status from HEAD request: 503 Service Unavailable',
    'registry_unavailable',
  ],
  [
    "another owner's image",
    metadata,
    'source "docker-image://registry.example/team/bob/x:1" denied by policy: source denied by policy',
    'policy_refused',
  ],
  [
    'a push that is refused',
    'exporting to image',
    'failed to push x: push access denied, insufficient_scope',
    'registry_unavailable',
  ],
  [
    'a push into a registry that is away',
    'pushing layers',
    'failed to push x: dial tcp: i/o timeout',
    'registry_unavailable',
  ],
  [
    'a full disk',
    '[2/3] COPY . .',
    'failed to copy: write /x: no space left on device',
    'engine_unavailable',
  ],
  [
    'a daemon that is away',
    undefined,
    'failed to dial "/run/x.sock": connection error: connect: no such file or directory',
    'engine_unavailable',
  ],
  [
    'a daemon that went away',
    undefined,
    'rpc error: code = Unavailable desc = error reading from server: EOF',
    'engine_unavailable',
  ],
  ['a daemon that stops', undefined, 'Canceled: context canceled', 'engine_unavailable'],
  [
    'a file to copy that is missing',
    '[2/3] COPY nothing /',
    'failed to calculate checksum of ref x: "/nothing": not found',
    'build_failed',
  ],
  [
    'a mistake in the Dockerfile',
    undefined,
    'dockerfile parse error on line 4: unknown instruction: RUNN',
    'build_failed',
  ],
];

describe("BuildKit's failures", () => {
  for (const [what, step, error, code] of cases) {
    it(`tells ${what} as ${code}`, () => {
      const told = buildkitError(failure(step, error));
      assert.equal(told.code, code, told.message);
      assert.ok(!told.message.includes('\n'));
      const isUsers = !code.endsWith('_unavailable');
      assert.deepEqual(told.place, isUsers ? { file: 'Dockerfile', line: 4 } : undefined);
    });
  }

  it('shows no line of a Dockerfile that is not the person’s own', () => {
    const told = buildkitError(
      failure('[2/3] RUN x', 'y did not complete successfully: exit code: 9', { isOwnDockerfile: false }),
    );
    assert.equal(told.message, 'step [2/3] RUN x failed with exit code 9: Error: telling');
    assert.equal(told.place, undefined);
  });

  it('knows uploads that were in each other’s way', () => {
    const pushing = (error: string) => isUploadCollision(failure('exporting to image', error));
    assert.equal(pushing('failed to push: errors: unknown: blob unknown to registry - sha256:12'), true);
    assert.equal(pushing('failed to push: provided digest did not match uploaded content'), true);
    assert.equal(pushing('failed to push: 403 Forbidden'), false);
    assert.equal(pushing('failed to push: 503 Service Unavailable'), false);
    assert.equal(isUploadCollision(failure('[2/3] RUN x', 'blob unknown to registry')), false);
    assert.equal(isUploadCollision(failure(undefined, 'blob unknown to registry')), false);
  });
});
