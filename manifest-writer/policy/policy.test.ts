import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { TowlineError } from '../../core/errors.ts';
import { matchesPattern } from '../../core/pattern.ts';
import { provenance, spec } from '../render/function-fixture.ts';
import { createPolicy, type Policy } from './policy.ts';

const scale = (key: string) => `com.openfaas.scale.${key}`;

function allowed(policy: Policy, changes: Parameters<typeof spec>[0] = {}, subject = provenance) {
  const answer = policy.apply(spec(changes), subject);
  assert.ok(answer.type === 'allowed', JSON.stringify(answer));
  return answer;
}

function violations(
  policy: Policy,
  changes: Parameters<typeof spec>[0] = {},
  subject = provenance,
): string[] {
  const answer = policy.apply(spec(changes), subject);
  return answer.type === 'refused' ? answer.violations : [];
}

test('without a policy a function is deployed as it is', () => {
  const asked = spec({ limits: { cpu: '64' }, labels: { team: 'x' }, annotations: { topic: 'x' } });
  assert.deepEqual(createPolicy().apply(asked, provenance), { type: 'allowed', spec: asked, warnings: [] });
});

test('a function that says nothing gets the defaults', () => {
  const policy = createPolicy({
    limits: { cpu: { default: '500m', max: '1' }, memory: { default: '128Mi' } },
    requests: { memory: { default: '256Mi' }, cpu: { default: '100m' } },
    replicas: { min: 2, max: 5 },
    readOnlyRootFilesystem: 'forced',
    scaleToZero: { default: true },
  });
  const { spec: given, warnings } = allowed(policy);
  assert.deepEqual(given.limits, { cpu: '500m', memory: '128Mi' });
  // A default request never stands above the limit.
  assert.deepEqual(given.requests, { cpu: '100m', memory: '128Mi' });
  assert.deepEqual(given.labels, { [scale('min')]: '2', [scale('max')]: '5' });
  assert.equal(given.readOnlyRootFilesystem, true);
  assert.deepEqual(warnings, []);
  assert.equal(allowed(createPolicy({ scaleToZero: { default: true } })).spec.labels[scale('zero')], 'true');
  const own = allowed(createPolicy({ scaleToZero: { default: true } }), {
    labels: { [scale('zero')]: 'false' },
  });
  assert.equal(own.spec.labels[scale('zero')], 'false');
});

const strict = {
  limits: { cpu: { max: '1' }, memory: { max: '1Gi' } },
  requests: { cpu: { max: '500m' } },
  replicas: { min: 1, max: 5 },
  scaleToZero: { allowed: false },
};
const greedy = {
  limits: { cpu: '1500m', memory: '1.1Gi' },
  requests: { cpu: '1' },
  labels: { [scale('min')]: '6', [scale('max')]: '20', [scale('zero')]: 'true' },
};

test('everything outside of the bounds is refused, each with what is allowed', () => {
  const found = violations(createPolicy(strict), greedy);
  assert.equal(found.length, 6);
  const expected = [
    /cpu limit "1500m".*at most "1"/,
    /memory limit "1.1Gi".*at most "1Gi"/,
    /cpu request "1".*at most "500m"/,
    /scale.min" \(6\).*1 to 5 replicas/,
    /scale.max" \(20\).*1 to 5 replicas/,
    /scale.zero".*no scaling to zero/,
  ];
  for (const [index, pattern] of expected.entries()) assert.match(found[index] ?? '', pattern);
  const inside = { limits: { cpu: '1000m', memory: '1024Mi' }, labels: { [scale('max')]: '5' } };
  assert.deepEqual(violations(createPolicy(strict), inside), []);
});

test('where the policy clamps, the bound is deployed and the author is told', () => {
  const { spec: given, warnings } = allowed(createPolicy({ ...strict, outOfBounds: 'clamp' }), greedy);
  assert.deepEqual(given.limits, { cpu: '1', memory: '1Gi' });
  assert.deepEqual(given.requests, { cpu: '500m' });
  assert.deepEqual(given.labels, { [scale('min')]: '5', [scale('max')]: '5', [scale('zero')]: 'false' });
  assert.equal(warnings.length, 6);
  for (const warning of warnings) assert.match(warning, /set to what the policy allows/);
});

test('keys, registries and numbers of secrets outside of the policy are refused by name', () => {
  const policy = createPolicy({
    allowedLabels: ['team', 'com.openfaas.scale.*'],
    allowedAnnotations: ['topic', 'example.org/*'],
    registries: ['registry.example/team/'],
    maxSecretsPerFunction: 1,
  });
  const image = `registry.example/team/x:1@sha256:${'b'.repeat(64)}`;
  assert.deepEqual(violations(policy, { image, labels: { team: 'a', [scale('max')]: '2' } }), []);
  assert.deepEqual(violations(policy, { image, annotations: { topic: 'a', 'example.org/x': 'b' } }), []);
  assert.match(
    violations(policy, { image, labels: { other: 'a' } })[0] ?? '',
    /label "other" is not allowed.*team/,
  );
  assert.match(
    violations(policy, { image, annotations: { 'example.org.evil/x': 'a' } })[0] ?? '',
    /not allowed/,
  );
  assert.match(violations(policy, { image, secrets: ['a', 'b'] })[0] ?? '', /2 secrets; the policy allows 1/);
  for (const other of ['registry.example/teams/x', 'registry.example.evil/team/x', 'team/x']) {
    const found = violations(policy, { image: `${other}:1@sha256:${'b'.repeat(64)}` });
    assert.match(found[0] ?? '', /not from a registry/, other);
  }
});

test('by default no annotation reaches a controller that somebody else installed', () => {
  for (const key of [
    'iam.amazonaws.com/role',
    'vault.hashicorp.com/agent-inject',
    'sidecar.istio.io/inject',
  ]) {
    assert.match(violations(createPolicy(), { annotations: { [key]: 'x' } })[0] ?? '', /not allowed/);
  }
  assert.deepEqual(
    violations(createPolicy(), { annotations: { 'prometheus.io/scrape': 'false', topic: 'x' } }),
    [],
  );
});

test("a tenant's own rules stand above the installation's, by id before slug", () => {
  const policy = createPolicy(
    parse(`
limits: {cpu: {max: "1", default: 100m}}
maxFunctions: 2
tenants:
  - {ownerId: "17", limits: {cpu: {max: "4"}}, maxFunctions: null}
  - {owner: alice, limits: {cpu: {max: "2"}}}
  - {owner: bob, maxFunctions: 0}
`),
  );
  const cpu = (limit: string) => ({ limits: { cpu: limit } });
  const taken = { ...provenance, ownerId: '99' };
  assert.deepEqual(violations(policy, cpu('4')), []);
  assert.equal(allowed(policy).spec.limits.cpu, '100m');
  assert.equal(violations(policy, cpu('3'), taken).length, 1);
  assert.deepEqual(violations(policy, cpu('2'), taken), []);
  assert.equal(violations(policy, cpu('2'), { ...provenance, owner: 'carol', ownerId: '5' }).length, 1);
  assert.equal(policy.whyNotOneMore(1000, provenance), undefined);
  assert.match(policy.whyNotOneMore(2, taken) ?? '', /has 2 functions; the policy allows 2/);
  assert.match(policy.whyNotOneMore(0, { owner: 'bob', ownerId: '6' }) ?? '', /allows 0/);
});

test('a policy with a mistake is refused with its place', () => {
  const cases: [unknown, RegExp][] = [
    [{ limits: { cpu: { max: 'much' } } }, /limits\.cpu\.max: a quantity/],
    [{ limit: {} }, /limit/],
    [{ replicas: { max: 0 } }, /replicas\.max/],
    [{ tenants: [{ maxFunctions: 3 }] }, /tenants\.0: a tenant is named by/],
    [{ tenants: [{ owner: 'a' }, { owner: 'a' }] }, /"a" twice/],
    [null, /the policy/],
  ];
  for (const [config, expected] of cases) {
    assert.throws(
      () => createPolicy(config),
      (error) =>
        error instanceof TowlineError && error.code === 'config_invalid' && expected.test(error.message),
    );
  }
});

test('a pattern matches what its regular expression would, and never hangs', () => {
  const pattern = fc.string({ unit: fc.constantFrom(...'ab/*.'), maxLength: 8 });
  const text = fc.string({ unit: fc.constantFrom(...'ab/.'), maxLength: 10 });
  fc.assert(
    fc.property(pattern, text, (one, other) => {
      const expression = one.replaceAll('.', '\\.').replaceAll('*', '[^/]*');
      assert.equal(matchesPattern(one, other), new RegExp(`^${expression}$`).test(other));
    }),
    { numRuns: 500 },
  );
  assert.equal(matchesPattern('a*'.repeat(60), `${'a'.repeat(5000)}b/`), false);
});
