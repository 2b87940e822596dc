import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import type { FunctionSpec, Provenance } from '../../core/function-spec.ts';
import { whyNotSpec } from './check-spec.ts';
import { fullSpec, provenance, renderOptions, spec } from './function-fixture.ts';
import { readFunction } from './read-function.ts';
import { renderManifest } from './render-manifest.ts';
import { type Target, targets } from './target.ts';

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
const commandKey = fc
  .array(
    fc.constantFrom(
      ...[
        'fluxcd.io',
        'argoproj.io',
        'config.kubernetes.io',
        'kubectl.kubernetes.io',
        'towline.dev',
        'knative.dev',
      ],
      ...[
        'kustomize',
        'com.openfaas.git-owner',
        'a',
        '.',
        '/',
        '-',
        'FluxCD.io',
        'x.',
        'toolkit.',
        'faas_function',
      ],
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((words) => words.join(''));
const environmentKey = fc.oneof(
  fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,20}$/),
  fc.constantFrom('y', 'NO', 'on', 'null', '__proto__', 'constructor', 'toString', '_', '-', '.'),
);
const accepted = (one: FunctionSpec, target: Target) => whyNotSpec(one, provenance, target) === undefined;
/** Every key and every `kind` at any depth. */
function namesIn(data: unknown, found = { keys: new Set<string>(), kinds: new Set<string>() }) {
  if (typeof data !== 'object' || data === null) return found;
  for (const [key, value] of Object.entries(data)) {
    if (!Array.isArray(data)) found.keys.add(key);
    if (key === 'kind' && typeof value === 'string') found.kinds.add(value);
    namesIn(value, found);
  }
  return found;
}

function onlyDocument(text: string, version: '1.1' | '1.2') {
  const documents = parseAllDocuments(text, { version });
  assert.ok(Array.isArray(documents));
  assert.equal(documents.length, 1);
  return documents[0]?.toJS({ maxAliasCount: 0 });
}

for (const target of targets) {
  const render = (asked: FunctionSpec) => renderManifest(asked, provenance, renderOptions(target)).text;

  test(`whatever a user writes comes back as the same text, in one document of one kind (${target})`, () => {
    const environment = fc
      .array(fc.tuple(environmentKey, nasty), { maxLength: 6 })
      .map((pairs) => Object.fromEntries(pairs));
    fc.assert(
      fc.property(environment, nasty, fc.array(nasty, { maxLength: 2 }), (env, note, some) => {
        const constraints = target === 'openfaas' ? some : [];
        const asked = spec({ environment: env, annotations: { 'example.org/note': note }, constraints });
        if (!accepted(asked, target)) return;
        const text = render(asked);
        const data = onlyDocument(text, '1.2');
        // Readers of the older version must see the same strings.
        assert.deepEqual(onlyDocument(text, '1.1'), data);
        assert.deepEqual(
          [...namesIn(data).kinds].sort(),
          [...namesIn(onlyDocument(render(spec()), '1.2')).kinds].sort(),
        );
        const read = readFunction(text)?.spec;
        assert.deepEqual(Object.entries(read?.environment ?? {}).sort(), Object.entries(env).sort());
        assert.equal(read?.annotations['example.org/note'], note);
        assert.deepEqual(read?.constraints, constraints);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these must never stand in a manifest
        assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]/);
        assert.doesNotMatch(text, /^(---|\.\.\.)/m);
        assert.doesNotMatch(text, /(^|[\s:[{,-])[&*]\w+\s*$/m);
      }),
      { numRuns: 120 },
    );
  });

  test(`no key a user can choose reaches a GitOps engine, kubectl or another controller (${target})`, () => {
    const ours = namesIn(onlyDocument(render(spec()), '1.2')).keys;
    fc.assert(
      fc.property(commandKey, fc.constantFrom('label', 'annotation', 'constraint'), (name, as) => {
        const asked = spec({
          labels: as === 'label' ? { [name]: 'x' } : {},
          annotations: as === 'annotation' ? { [name]: 'x' } : {},
          constraints: as === 'constraint' && target !== 'openfaas' ? [`${name}=x`] : [],
        });
        if (!accepted(asked, target)) return;
        const text = render(asked);
        for (const key of namesIn(onlyDocument(text, '1.2')).keys) {
          // A node may be chosen by any label of its own.
          if (ours.has(key) || (as === 'constraint' && /(towline|knative)\.dev\//.test(key))) continue;
          assert.doesNotMatch(
            key,
            /(fluxcd\.io|argoproj\.io|config\.kubernetes\.io|kustomize[^/]*|(^|\.)(knative|towline)\.dev)\//i,
          );
          assert.doesNotMatch(key, /^(kubectl|deployment)\.kubernetes\.io\//i);
        }
        const { labels } = readFunction(text)?.metadata ?? {};
        assert.equal(labels?.['com.openfaas.git-owner'], 'alice');
      }),
      { numRuns: 150 },
    );
  });

  test(`text that only some readers or a substitution would act on stays text (${target})`, () => {
    const tricks = [
      'yes',
      'Off',
      '1e3',
      '0x10',
      '0b1',
      '1_000',
      '1:30',
      '2026-01-01',
      '2026-01-01T00:00:00Z',
      '.NaN',
      '~',
    ];
    tricks.push(
      '${HOME}',
      '$${HOME}',
      '$(A)',
      '!!binary aGk=',
      '&anchor',
      '*alias',
      '<<',
      'x'.repeat(30_000),
      "'",
      '"',
    );
    for (const trick of tricks) {
      const read = readFunction(render(spec({ environment: { A: trick }, annotations: { note: trick } })));
      assert.equal(read?.spec.environment['A'], trick);
      assert.equal(read?.spec.annotations['note'], trick);
    }
    for (const refused of ['a\0b', '\ud800', '\udc00x']) {
      assert.ok(!accepted(spec({ environment: { A: refused } }), target));
      assert.ok(!accepted(spec({ annotations: { note: refused } }), target));
      assert.ok(!accepted(spec({ labels: { note: refused } }), target));
    }
  });

  test(`a manifest reads the same every time, in a fixed order (${target})`, () => {
    const environment = Object.fromEntries(Object.entries(fullSpec.environment).reverse());
    const labels = Object.fromEntries(Object.entries(fullSpec.labels).reverse());
    const limits = { memory: '256Mi', cpu: '1' };
    assert.equal(render({ ...fullSpec, environment, labels, limits }), render(fullSpec));
  });
}

const openfaas = (asked: FunctionSpec, from: Provenance) =>
  renderManifest(asked, from, renderOptions('openfaas')).text;

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
    [{ image: `alice/hello: "x"\nkind: Secret@sha256:${'a'.repeat(64)}` }, /digest/],
    [{ constraints: ['a\0'] }, /constraint/],
  ];
  for (const [changes, expected] of cases) {
    const problem = whyNotSpec(spec(changes), provenance);
    assert.equal(problem?.code, 'manifest_refused', JSON.stringify(changes));
    assert.match(problem?.message ?? '', expected);
  }
  assert.match(whyNotSpec(spec({ owner: 'bob' }), provenance)?.message ?? '', /different owners/);
});

test('what a target cannot do is refused, in words', () => {
  const scale = (labels: Record<string, string>) => {
    const entries = Object.entries(labels).map(([key, value]) => [`com.openfaas.scale.${key}`, value]);
    return { labels: Object.fromEntries(entries) };
  };
  const cases: [Target, Partial<FunctionSpec>, RegExp][] = [
    ['openfaas', scale({ min: 'three' }), /scale\.min" is not a number of replicas/],
    ['openfaas', scale({ min: '4', max: '2' }), /greater than/],
    ['openfaas', scale({ zero: 'yes' }), /"true" or "false"/],
    ['openfaas', scale({ 'zero-duration': '15minutes' }), /duration such as 15m/],
    ['openfaas', { limits: { cpu: '100m' }, requests: { cpu: '0.2' } }, /greater than its limit/],
    ['knative', scale({ type: 'queue' }), /not one of rps, capacity, cpu and memory/],
    ['knative', scale({ type: 'cpu', target: '50' }), /needs a cpu request/],
    ['knative', scale({ type: 'memory', zero: 'true' }), /cannot scale to zero/],
    ['knative', scale({ 'zero-duration': '2h' }), /one hour/],
    ['knative', { environment: { K_SERVICE: 'x' } }, /belongs to Knative/],
    ['knative', { environment: { max_inflight: 'many' } }, /from 0 to 1000/],
    ['knative', { constraints: ['linux'] }, /key=value/],
    ['kubernetes', { constraints: ['kustomize.toolkit.fluxcd.io/x=y'] }, /GitOps engine/],
    ['kubernetes', { constraints: ['pool = not a value'] }, /key=value/],
    ['kubernetes', scale({ max: '3' }), /needs a cpu request/],
    ['kubernetes', { ...scale({ max: '3', type: 'memory' }), requests: { cpu: '100m' } }, /needs a target/],
  ];
  for (const [target, changes, expected] of cases) {
    const problem = whyNotSpec(spec(changes), provenance, target);
    assert.equal(problem?.code, 'manifest_refused', JSON.stringify(changes));
    assert.match(problem?.message ?? '', expected);
  }
});

test('what a label cannot hold is kept whole in an annotation; secrets carry their owner’s name', () => {
  const long = { ...provenance, repo: 'r'.repeat(90), branch: 'fix/a b' };
  const manifest = readFunction(openfaas(spec({ secrets: ['token', 'alice-key', 'key'] }), long));
  assert.equal(manifest?.metadata.labels['com.openfaas.git-repo'], 'r'.repeat(63));
  assert.equal(manifest?.metadata.annotations['towline.dev/git-repo'], long.repo);
  assert.equal(manifest?.spec.labels['com.openfaas.cloud.git-branch'], 'fix-a-b');
  assert.equal(manifest?.metadata.annotations['towline.dev/git-branch'], 'fix/a b');
  assert.deepEqual(manifest?.spec.secrets, ['alice-token', 'alice-key']);
  assert.equal(manifest?.spec.labels['com.openfaas.git-private'], '1');
});

test('a manifest of two documents, with an alias or of another kind is not read', () => {
  const good = openfaas(spec(), provenance);
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
