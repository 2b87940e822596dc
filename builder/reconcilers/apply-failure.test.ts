import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { causeOf } from './apply-failure.ts';

const hello = { owner: 'alice', functionName: 'hello' };
/** As real Flux and a real API server said them. */
const invalid = (object: string) =>
  `Function/openfaas-fn/${object} dry-run failed (Invalid): Function.openfaas.com "${object}" is invalid: spec.image: Invalid value: "integer"\n`;

describe('the cause of a failed apply', () => {
  it('is the manifest that the cluster refuses', () => {
    const { cause, passes } = causeOf(
      { reason: 'ReconciliationFailed', message: invalid('alice-hello') },
      hello,
    );
    assert.equal(passes, 'never');
    assert.equal(cause.code, 'manifest_refused');
    assert.match(cause.message, /^the cluster refuses the manifest: .*spec\.image/);
    assert.equal(cause.hint, undefined);
  });

  it("is another function's manifest, and says whose", () => {
    const { cause } = causeOf({ reason: 'ReconciliationFailed', message: invalid('alice-other') }, hello);
    assert.match(cause.message, /^held up by alice-other: the cluster refuses the manifest/);
    assert.match(cause.hint ?? '', /until alice-other is right or gone/);
  });

  it('is a file that cannot be read, without the folder it was read in', () => {
    const message =
      'failed to decode Kubernetes YAML from /tmp/kustomization-123/tenants/alice/hello.yaml: yaml: line 1: did not find expected node content';
    const { cause, passes } = causeOf({ reason: 'BuildFailed', message }, hello);
    assert.equal(passes, 'never');
    assert.match(cause.message, /^Flux cannot read the manifest: .*hello\.yaml/);
    assert.doesNotMatch(cause.message, /\/tmp/);
  });

  it('is a quota of the tenant', () => {
    const message =
      'Function/fn/alice-hello dry-run failed (Forbidden): functions "alice-hello" is forbidden: exceeded quota: functions, requested: count/functions.openfaas.com=1, used: 5, limited: 5';
    assert.equal(causeOf({ reason: 'ReconciliationFailed', message }, hello).cause.code, 'policy_refused');
  });

  it('may pass by itself if it is not about a manifest', () => {
    for (const [reason, message] of [
      ['PruneFailed', 'Function/fn/alice-old delete failed: context deadline exceeded'],
      [
        'ReconciliationFailed',
        'Get "https://10.0.0.1/api": dial tcp 10.0.0.1:443: connect: connection refused',
      ],
    ] as const) {
      const { cause, passes } = causeOf({ reason, message }, hello);
      assert.deepEqual([cause.code, passes], ['unavailable', 'perhaps']);
    }
  });

  it('is waited for if it is about where the manifests come from', () => {
    for (const [reason, message] of [
      ['ArtifactFailed', 'failed to download archive: GET http://x/y giving up after 3 attempt(s)'],
      ['DependencyNotReady', "dependency 'flux-system/base' is not ready"],
    ] as const) {
      const { cause, passes } = causeOf({ reason, message }, hello, 'Argo CD');
      assert.deepEqual([cause.code, passes], ['unavailable', 'waits']);
      assert.match(cause.message, /^Argo CD /);
    }
  });

  it('is one line, and not longer than a person reads', () => {
    const { cause } = causeOf({ reason: 'BuildFailed', message: `a\nb\r\n${'x'.repeat(10_000)}` }, hello);
    assert.ok(cause.message.length < 600);
    assert.doesNotMatch(cause.message, /[\r\n]/);
  });
});
