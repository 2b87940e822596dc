import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FunctionConfiguration } from '../../core/function-spec.ts';
import { deployIntent, gitopsFixture } from '../gitops-fixture.ts';
import { targets } from './target.ts';

const configuration: FunctionConfiguration = {
  environment: { GREETING: 'hi $(HOME) there', EMPTY: '' },
  secrets: ['api-key'],
  labels: { team: 'red', 'com.openfaas.scale.min': '2' },
  annotations: { topic: 'a/b', 'towline.dev/access': 'members' },
  limits: { memory: '128Mi', cpu: '200m' },
  requests: { memory: '64Mi' },
  constraints: ['disk=ssd'],
  readOnlyRootFilesystem: true,
};
const hello = { owner: 'alice', ownerId: 'id-of-alice', functionName: 'hello' };

for (const target of targets) {
  test(`${target}: what an author configured is read back, and deployed again it changes nothing`, async (t) => {
    const gitops = await gitopsFixture(t);
    const writer = await gitops.writer({ target });
    assert.equal(await writer.configuration(hello), undefined);
    const first = deployIntent({ source: '1' });
    await writer.deploy({ ...first, spec: { ...first.spec, ...configuration } });
    await writer.hold({ ...hello, reason: 'wait', actor: first.actor });
    await writer.resume({ ...hello, reason: '', actor: first.actor });
    const read = await writer.configuration(hello);
    assert.ok(read);
    assert.deepEqual(read.environment, configuration.environment);
    assert.deepEqual(read.annotations['towline.dev/access'], 'members');
    assert.equal(read.readOnlyRootFilesystem, true);
    const ours = [...Object.keys(read.labels), ...Object.keys(read.annotations)];
    assert.deepEqual(
      ours.filter((key) => /git-|towline\.dev\/(?!access)/.test(key)),
      [],
    );
    const again = { ...first, buildId: 'again', spec: { ...first.spec, ...read } };
    assert.equal((await writer.deploy(again)).type, 'unchanged');
  });
}
