import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Document } from 'yaml';
import { createPolicy } from '../policy/policy.ts';
import { whyNotSchema } from '../schemas/validate-manifest.ts';
import { fullSpec, provenance, renderOptions, spec } from './function-fixture.ts';
import { prepareManifest } from './prepare-manifest.ts';
import { asksForTheSame, readFunction } from './read-function.ts';
import { targets } from './target.ts';
import { fromYaml, toYaml } from './yaml-text.ts';

const examples = { minimal: spec(), full: fullSpec };
const policy = createPolicy();

for (const target of targets) {
  for (const [size, asked] of Object.entries(examples)) {
    test(`a ${size} function for ${target} is, byte for byte, what its golden file says`, () => {
      const prepared = prepareManifest({ spec: asked, provenance }, policy, renderOptions(target));
      assert.ok(prepared.type === 'manifest', JSON.stringify(prepared));
      const golden = readFileSync(join(import.meta.dirname, 'golden', `${target}-${size}.yaml`), 'utf8');
      assert.equal(prepared.text, golden);
    });
  }

  test(`what was asked for is read back from a manifest for ${target}`, () => {
    const prepared = prepareManifest({ spec: fullSpec, provenance }, policy, renderOptions(target));
    assert.ok(prepared.type === 'manifest');
    const read = readFunction(prepared.text);
    assert.equal(read?.target, target);
    assert.equal(read.metadata.name, 'alice-hello');
    assert.equal(read.metadata.labels['com.openfaas.git-sha'], provenance.sourceCommit);
    assert.equal(read.metadata.labels['com.openfaas.git-owner-id'], '17');
    assert.equal(read.metadata.annotations['towline.dev/git-repo'], 'greetings');
    assert.equal(read.spec.image, fullSpec.image);
    assert.deepEqual(read.spec.environment, fullSpec.environment);
    assert.deepEqual(read.spec.secrets, ['alice-api-key', 'alice-token']);
    assert.deepEqual(read.spec.limits, fullSpec.limits);
    assert.deepEqual(read.spec.requests, fullSpec.requests);
    assert.equal(read.spec.readOnlyRootFilesystem, true);
    assert.equal(read.spec.annotations['topic'], 'orders');
    assert.equal(read.spec.labels['team'], 'green');
    const [constraint = ''] = read.spec.constraints;
    assert.equal(constraint.replaceAll(' ', ''), 'kubernetes.io/arch=arm64');
  });

  test(`only the time of the deploy makes no other function of it (${target})`, () => {
    const render = (changes: object, deployedAt: number) => {
      const asked = { spec: { ...fullSpec, ...changes }, provenance };
      const prepared = prepareManifest(asked, policy, { ...renderOptions(target), deployedAt });
      assert.ok(prepared.type === 'manifest');
      return prepared.text;
    };
    assert.notEqual(render({}, 0), render({}, 60_000));
    assert.ok(asksForTheSame(render({}, 0), render({}, 60_000)));
    assert.ok(!asksForTheSame(render({}, 0), render({ environment: {} }, 0)));
  });

  test(`the schema of ${target} refuses a field that its API would not know, naming the path`, () => {
    const prepared = prepareManifest({ spec: fullSpec, provenance }, policy, renderOptions(target));
    assert.ok(prepared.type === 'manifest');
    const data = fromYaml(prepared.text);
    assert.equal(whyNotSchema(target, data), undefined);
    const first = target === 'kubernetes' ? ['items', '0', 'spec'] : ['spec'];
    const edited = (path: string[], value: unknown) => {
      const copy = new Document(data);
      copy.setIn(path, value);
      return whyNotSchema(target, copy.toJS()) ?? '';
    };
    assert.equal(
      edited([...first, 'replicaz'], 3),
      `${first.join('.')} must NOT have additional properties ("replicaz")`,
    );
    assert.equal(edited(first, 7), `${first.join('.')} must be object`);
    assert.match(edited(['kind'], 'Secret'), /^kind must be equal to constant/);
  });
}

test('another document, kind or item beside a function is not read as one', () => {
  const prepared = prepareManifest({ spec: fullSpec, provenance }, policy, renderOptions('kubernetes'));
  assert.ok(prepared.type === 'manifest');
  const list = fromYaml(prepared.text) as { items: object[] };
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } };
  assert.ok(readFunction(toYaml(list)));
  assert.equal(readFunction(toYaml({ ...list, items: [...list.items, secret] })), undefined);
  assert.equal(readFunction(toYaml({ ...list, items: list.items.slice(1) })), undefined);
  assert.equal(readFunction(`${prepared.text}---\n${prepared.text}`), undefined);
});
