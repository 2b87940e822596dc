import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import type { FunctionSpec, Provenance } from '../../core/function-spec.ts';
import { whyNotSpec } from './check-spec.ts';
import { asksForTheSame, readFunction, renderFunction } from './render-function.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const provenance: Provenance = {
  owner: 'alice',
  ownerId: '17',
  repo: 'greetings',
  branch: 'feature/ünïcode branch',
  sourceCommit: '1'.repeat(40),
  scm: 'git',
  private: true,
  repoUrl: 'http://localhost:8080/git/alice/greetings.git',
};

function spec(changes: Partial<FunctionSpec> = {}): FunctionSpec {
  return {
    owner: 'alice',
    functionName: 'hello',
    image: `artifact.towline.internal/alice/greetings-hello:latest-main-1111111@${digest}`,
    environment: {},
    secrets: [],
    labels: {},
    annotations: {},
    limits: {},
    requests: {},
    constraints: [],
    readOnlyRootFilesystem: false,
    ...changes,
  };
}

const options = { namespace: 'openfaas-fn', deployedAt: 1_700_000_000_000 };

const nasty = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({
    unit: fc.constantFrom(...'-:#&*!|>%@`\'"{}[],? \n\r\t~=<\u0085\u2028\ufeff\u007f\u0001é😀'),
    maxLength: 30,
  }),
  fc.constantFrom(
    '---',
    '...',
    '--- \nkind: Secret',
    '&a',
    '*a',
    '<<: *a',
    '!!js/function',
    'yes',
    'NO',
    'on',
    'null',
    '~',
  ),
  fc.constantFrom(
    '0o17',
    '012',
    '1_000',
    '1e3',
    '.inf',
    '12:30:45',
    '2026-01-01',
    '${SECRET}',
    '=',
    '<<',
    ' lead',
    'trail ',
  ),
);
const environmentKey = fc.oneof(
  fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,20}$/),
  fc.constantFrom('y', 'NO', 'on', 'null', '__proto__', 'constructor', 'toString', '_', '-', '.'),
);
const accepted = (one: FunctionSpec) => whyNotSpec(one, provenance) === undefined;

test('whatever a user writes comes back as the same text, in one document of one kind', () => {
  const environment = fc
    .array(fc.tuple(environmentKey, nasty), { maxLength: 6 })
    .map((pairs) => Object.fromEntries(pairs));
  fc.assert(
    fc.property(environment, nasty, fc.array(nasty, { maxLength: 2 }), (env, note, constraints) => {
      const asked = spec({ environment: env, annotations: { 'example.org/note': note }, constraints });
      if (!accepted(asked)) return;
      const text = renderFunction(asked, provenance, options);
      for (const version of ['1.1', '1.2'] as const) {
        const documents = parseAllDocuments(text, { version });
        assert.equal(documents.length, 1);
        const data = Array.isArray(documents) ? documents[0]?.toJS({ maxAliasCount: 0 }) : undefined;
        assert.deepEqual(Object.keys(data), ['apiVersion', 'kind', 'metadata', 'spec']);
        assert.equal(data.kind, 'Function');
        assert.deepEqual(Object.entries(data.spec.environment ?? {}).sort(), Object.entries(env).sort());
        assert.equal(data.spec.annotations['example.org/note'], note);
        assert.deepEqual(data.spec.constraints ?? [], constraints);
      }
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these must never stand in a manifest
      assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]/);
      assert.doesNotMatch(text, /^(---|\.\.\.)/m);
    }),
    { numRuns: 150 },
  );
});

test('no key a user can choose reaches a GitOps engine or replaces provenance', () => {
  const word = fc.constantFrom(
    'fluxcd.io',
    'argoproj.io',
    'config.kubernetes.io',
    'towline.dev',
    'kustomize',
    'com.openfaas.git-owner',
    'a',
    '.',
    '/',
    '-',
    'FluxCD.io',
    'x.',
    'toolkit.',
  );
  const key = fc.array(word, { minLength: 1, maxLength: 5 }).map((words) => words.join(''));
  fc.assert(
    fc.property(key, fc.boolean(), (name, asLabel) => {
      const asked = spec(asLabel ? { labels: { [name]: 'x' } } : { annotations: { [name]: 'x' } });
      if (!accepted(asked)) return;
      const text = renderFunction(asked, provenance, options).replaceAll('towline.dev/', '');
      assert.doesNotMatch(text, /(fluxcd\.io|argoproj\.io|config\.kubernetes\.io)\//i);
      const manifest = readFunction(renderFunction(asked, provenance, options));
      assert.equal(manifest?.spec.labels['com.openfaas.git-owner'], 'alice');
    }),
    { numRuns: 150 },
  );
});

test('names become one path below the tenant’s folder or are refused', () => {
  fc.assert(
    fc.property(nasty, nasty, (owner, functionName) => {
      const problem = whyNotSpec(spec({ owner, functionName }), { ...provenance, owner });
      if (problem === undefined) assert.match(`${owner}/${functionName}`, /^[a-z0-9-]+\/[a-z0-9-]+$/);
      else assert.equal(problem.code, 'name_invalid');
    }),
    { numRuns: 150 },
  );
});

test('values that Kubernetes or a process could not take are refused with their name', () => {
  const cases: [Partial<FunctionSpec>, RegExp][] = [
    [{ environment: { A: 'a\0b' } }, /"A" is refused: .*NUL/],
    [{ environment: { A: '\ud800' } }, /"A" is refused: .*Unicode/],
    [{ environment: { 'A B': 'x' } }, /"A B" is refused/],
    [{ labels: { team: 'not a label value' } }, /label "team"/],
    [{ annotations: { 'towline.dev/access': 'everybody' } }, /public, members or owner/],
    [{ limits: { memory: '128 MB; rm' } }, /memory limit/],
    [{ requests: { cpu: '-1' } }, /cpu request/],
    [{ secrets: ['../x'] }, /secret/],
    [{ image: 'alice/hello:latest' }, /digest/],
    [{ image: `alice/hello: "x"\nkind: Secret@${digest}` }, /digest/],
    [{ constraints: ['a\0'] }, /constraint/],
  ];
  for (const [changes, expected] of cases) {
    const problem = whyNotSpec(spec(changes), provenance);
    assert.equal(problem?.code, 'manifest_refused', JSON.stringify(changes));
    assert.match(problem?.message ?? '', expected);
  }
  assert.match(whyNotSpec(spec({ owner: 'bob' }), provenance)?.message ?? '', /different owners/);
});

test('the manifest reads the same every time, in a fixed order', () => {
  const one = spec({
    environment: { B: '2', A: '1' },
    labels: { z: '1', a: '2' },
    limits: { memory: '1Gi', cpu: '1' },
  });
  const other = spec({
    environment: { A: '1', B: '2' },
    labels: { a: '2', z: '1' },
    limits: { cpu: '1', memory: '1Gi' },
  });
  const text = renderFunction(one, provenance, options);
  assert.equal(text, renderFunction(other, provenance, options));
  assert.match(
    text,
    /\n {2}environment:\n {4}A: "1"\n {4}B: "2"\n {2}limits:\n {4}cpu: "1"\n {4}memory: 1Gi\n$/,
  );
  const later = renderFunction(one, provenance, { ...options, deployedAt: options.deployedAt + 60_000 });
  assert.notEqual(later, text);
  assert.ok(asksForTheSame(later, text));
  assert.ok(!asksForTheSame(renderFunction(spec(), provenance, options), text));
  assert.ok(!asksForTheSame('a: [', 'a: ['.concat(' ')));
});

test('what a label cannot hold is kept whole in an annotation; secrets carry their owner’s name', () => {
  const long = { ...provenance, repo: 'r'.repeat(90), branch: 'fix/a b' };
  const manifest = readFunction(renderFunction(spec({ secrets: ['token', 'alice-key'] }), long, options));
  assert.equal(manifest?.metadata.labels['com.openfaas.git-repo'], 'r'.repeat(63));
  assert.equal(manifest?.metadata.annotations['towline.dev/git-repo'], long.repo);
  assert.equal(manifest?.spec.labels['com.openfaas.cloud.git-branch'], 'fix-a-b');
  assert.equal(manifest?.metadata.annotations['towline.dev/git-branch'], 'fix/a b');
  assert.deepEqual(manifest?.spec.secrets, ['alice-token', 'alice-key']);
  assert.equal(manifest?.spec.labels['com.openfaas.git-private'], '1');
});

test('a manifest of two documents, with an alias or of another kind is not read', () => {
  const good = renderFunction(spec(), provenance, options);
  assert.ok(readFunction(good));
  for (const bad of [
    `${good}---\n${good}`,
    good.replace('kind: Function', 'kind: Secret'),
    `x: &a 1\ny: *a\n`,
    '',
    '[',
  ]) {
    assert.equal(readFunction(bad), undefined);
  }
});
