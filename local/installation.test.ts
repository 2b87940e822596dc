import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { describeError, TowlineError } from '../core/errors.ts';
import { parseInstallation, readInstallation } from './installation.ts';

const read = (path: string | undefined, defaultPath: string) =>
  readInstallation({ path, defaultPath, owner: 'demo' });

const problemOf = (text: string): string => {
  try {
    parseInstallation(text, 'towline.yaml', 'demo');
  } catch (error) {
    assert.ok(error instanceof TowlineError && error.code === 'config_invalid');
    return describeError(error);
  }
  assert.fail('it was taken');
};

test('a file says the policy, the environments and the rules for secrets', () => {
  const text = `policy: {outOfBounds: clamp, limits: {memory: {max: 1Gi}}}
secrets: {kinds: [sops]}
environments:
  - {name: staging, branches: [main]}
  - {name: default, tags: ['v*'], promotesFrom: staging, policy: {replicas: {max: 3}}}
`;
  const { target, policy, secrets, environments } = parseInstallation(text, 'towline.yaml');
  assert.equal(target, 'openfaas');
  assert.equal(policy?.outOfBounds, 'clamp');
  assert.deepEqual(secrets?.kinds, ['sops']);
  assert.deepEqual(
    environments.map(({ name, branches, promotesFrom }) => [name, branches, promotesFrom]),
    [
      ['staging', ['main'], 'default'],
      ['default', undefined, 'staging'],
    ],
  );
});

test('every mistake is told in one line with its file, line and column', () => {
  const cases: [text: string, problem: RegExp][] = [
    ['policy:\n  limit: {}\n', /towline\.yaml:2:3.*policy\.limit: there is no such setting/],
    ['policy:\n  limits: {memory: {max: lots}}\n', /towline\.yaml:2:26.*limits\.memory\.max: .*quantity/],
    ['environments:\n  - name: a\n  - name: a\n', /towline\.yaml:3:11.*"a" is there twice/],
    ['environments:\n  - name: a\n    promotesFrom: b\n', /towline\.yaml:3:19.*"b" is no environment/],
    ['environments:\n  - name: ../x\n', /towline\.yaml:2:11.*an environment is 1 to 32/],
    [
      'environments:\n  - name: staging\n  - name: demo\n',
      /towline\.yaml:3:11.*environments\.1\.name: "demo" is the first owner/,
    ],
    [
      'environments:\n  - name: a\n  - name: b\n    namespace: openfaas-fn\n',
      /towline\.yaml:4:16.*environments\.1\.namespace: "default" and "b" share the namespace "openfaas-fn"/,
    ],
    [
      'environments:\n  - {name: a, cluster: x, namespace: fn}\n  - {name: b, namespace: fn}\n  - {name: c, cluster: x, namespace: fn}\n',
      /towline\.yaml:4:\d+.*"a" and "c" share the namespace "fn" of the cluster "x"/,
    ],
    ['environments:\n  - branches: [x]\n', /towline\.yaml:2:5.*environments\.0\.name/],
    [
      'target: knative\n',
      /towline\.yaml:1:9.*on one machine functions are run from "openfaas" manifests only/,
    ],
    ['a: [\n', /towline\.yaml:\d+:\d+/],
    ['- x\n', /towline\.yaml:1:1.*expected object/],
  ];
  for (const [text, expected] of cases) {
    const problem = problemOf(text);
    assert.match(problem, expected);
    assert.doesNotMatch(problem, /\n/);
  }
});

test('the default file need not be there, a named one does', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'towline-installation-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'towline.yaml');
  assert.deepEqual(read(undefined, file), { target: 'openfaas', environments: [] });
  assert.throws(() => read(file, join(folder, 'x')), { code: 'config_invalid' });
  assert.throws(() => read(undefined, folder), { code: 'config_invalid' });
  writeFileSync(file, '');
  assert.deepEqual(read(undefined, file).environments, []);
  writeFileSync(file, 'environments: [{name: staging}]\n');
  assert.equal(read(file, join(folder, 'x')).environments[0]?.name, 'staging');
});
