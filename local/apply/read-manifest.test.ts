import assert from 'node:assert/strict';
import { test } from 'node:test';
import { desire } from '../functions/artifact-fixture.ts';
import { manifestOf } from './gitops-fixture.ts';
import { readManifest } from './read-manifest.ts';

const place = { path: 'tenants/alice/hello.yaml', owner: 'alice', functionName: 'hello' };
const plain = manifestOf(desire(`sha256:${'ab'.repeat(32)}`));

function desiredWith(line: string) {
  const reading = readManifest(place, plain.replace('  annotations:\n', `  annotations:\n    ${line}\n`));
  assert.equal(reading.type, 'function');
  return reading.type === 'function' ? reading.desired : undefined;
}

const holdIn = (line: string) => desiredWith(line)?.hold;

test('a manifest says who holds its function, since when and why', () => {
  const line = 'towline.dev/hold: "alice since 2026-11-22T09:00:00Z: a demo is on"';
  assert.deepEqual(holdIn(line), { by: 'alice', since: Date.UTC(2026, 10, 22, 9), reason: 'a demo is on' });
});

test('whose requests a function takes: everybody’s unless its annotation says so, the owner’s if that is unreadable', () => {
  const accessIn = (line: string) => desiredWith(line)?.access;
  assert.equal(accessIn('towline.dev/hold: ""'), 'public');
  assert.equal(accessIn('towline.dev/access: members'), 'members');
  assert.equal(accessIn('towline.dev/access: Members'), 'owner');
});

test('a hold that a person wrote by hand counts, whatever its length; an empty one does not', () => {
  assert.deepEqual(holdIn('towline.dev/hold: until Monday'), {
    by: null,
    since: null,
    reason: 'until Monday',
  });
  assert.equal(holdIn(`towline.dev/hold: ${'x'.repeat(10_000)}`)?.reason.length, 400);
  for (const none of ['towline.dev/hold: ""', 'towline.dev/hold: "false"', 'towline.dev/held: "yes"'])
    assert.equal(holdIn(none), null);
});
