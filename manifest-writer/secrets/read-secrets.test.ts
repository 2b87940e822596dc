import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse, parseAllDocuments } from 'yaml';
import { readSecrets } from './read-secrets.ts';
import { possibleOwners, repositoryOfSecret, secretOfFile, secretPath } from './secret-file.ts';
import { SecretRules } from './secret-rules.ts';
import { sealed, sops } from './secrets-fixture.ts';

const place = { owner: 'alice', ownerId: '17', repo: 'greetings', namespace: 'openfaas-fn' };
const rules = SecretRules.parse({});

function read(text: string, changed: Partial<SecretRules> = {}) {
  const reading = readSecrets(text, place, { ...rules, ...changed });
  assert.ok('secrets' in reading, JSON.stringify(reading));
  return reading.secrets;
}

function problem(text: string, changed: Partial<SecretRules> = {}): string {
  const reading = readSecrets(text, place, { ...rules, ...changed });
  return 'problem' in reading ? reading.problem : 'accepted';
}

test('each document becomes a file of its own, in one order', () => {
  const secrets = read(`---\n${sops('alice-zebra')}---\n# nothing\n---\n${sealed('alice-key')}`);
  assert.deepEqual(
    secrets.map(({ name }) => name),
    ['alice-key', 'alice-zebra'],
  );
  for (const { text } of secrets) {
    assert.equal(parseAllDocuments(text).length, 1);
    assert.equal(repositoryOfSecret(text), 'greetings');
  }
  assert.deepEqual(read(''), []);
  assert.deepEqual(read('---\n---\n'), []);
});

test('a sealed secret is written with the installation’s namespace, its owner and nothing else', () => {
  const [secret] = read(
    sealed('alice-key', { 'metadata.namespace': undefined, 'spec.template.immutable': true }),
  );
  const data = parse(secret?.text ?? '');
  assert.deepEqual(data.metadata, {
    name: 'alice-key',
    namespace: 'openfaas-fn',
    labels: { 'com.openfaas.git-owner': 'alice', 'com.openfaas.git-owner-id': '17' },
    annotations: { 'towline.dev/git-repo': 'greetings' },
  });
  assert.deepEqual(data.spec.template, {
    metadata: { name: 'alice-key', namespace: 'openfaas-fn' },
    type: 'Opaque',
    immutable: true,
  });
});

test('a document that SOPS encrypted stays what its checksum is of', () => {
  const text = sops('alice-key');
  const [secret] = read(text);
  assert.deepEqual(parse(secret?.text ?? ''), parse(text));
  assert.deepEqual(Object.keys(parse(secret?.text ?? '').stringData), ['token', 'another']);
});

const plain = 'apiVersion: v1\nkind: Secret\nmetadata: {name: alice-key}\nstringData: {token: hunter2}\n';

test('plain secrets, and what only looks encrypted, are refused with their line and a hint', () => {
  assert.match(
    problem(`${sealed('alice-a')}---\n${plain}`),
    /^line \d\d: it is not encrypted; .*kubeseal.*sops/,
  );
  assert.doesNotMatch(problem(plain), /hunter2/);
  const cases: [string, RegExp][] = [
    [sops('alice-key', { stringData: { token: 'hunter2' } }), /stringData\.token: it is not encrypted/],
    [sops('alice-key', { data: { token: 'aHVudGVyMg==' } }), /data\.token: it is not encrypted/],
    [sops('alice-key', { sops: {} }), /sops/],
    [sops('alice-key', { 'sops.age': [] }), /names no key/],
    [sops('alice-key', { 'sops.mac': 'x' }), /sops\.mac/],
    [sops('alice-key', { 'sops.mac_only_encrypted': true }), /whole document/],
    [sops('alice-key', { stringData: undefined }), /neither data nor stringData/],
    [sealed('alice-key', { 'spec.encryptedData': { token: 'hunter2' } }), /kubeseal writes/],
    [sealed('alice-key', { 'spec.template.data': { a: 'hunter2' } }), /template\.data/],
  ];
  for (const [text, expected] of cases) {
    assert.match(problem(text), expected);
    assert.doesNotMatch(problem(text), /hunter2/);
  }
});

test('only secrets that carry the owner’s name and are meant for the functions’ namespace are taken', () => {
  for (const name of [
    'bob-key',
    'alice',
    'alice-',
    'alicekey',
    'Alice-key',
    'alice-a..b',
    'alice-../x',
    'alice-a/b',
  ]) {
    assert.notEqual(problem(sealed(name)), 'accepted', name);
    assert.notEqual(problem(sops(name)), 'accepted', name);
  }
  assert.match(problem(sealed('alice-key', { 'metadata.namespace': 'kube-system' })), /openfaas-fn/);
  assert.match(problem(sealed('alice-key', { 'spec.template.metadata.namespace': 'x' })), /openfaas-fn/);
  assert.match(problem(sealed('alice-key', { 'spec.template.metadata.name': 'bob-key' })), /another one/);
  assert.match(problem(sops('alice-key', { 'metadata.namespace': 'flux-system' })), /openfaas-fn/);
  assert.match(problem(sealed('alice-key'), { reservedNames: ['alice-key'] }), /taken in this installation/);
  assert.match(problem(`${sealed('alice-key')}---\n${sops('alice-key')}`), /two secrets/);
  assert.match(
    problem(`${sealed('alice-a')}---\n${sealed('alice-b')}`, { maxPerRepository: 1 }),
    /more than 1/,
  );
});

test('a scope that lets others open a secret is refused', () => {
  const scope = (name: string) => {
    const annotations = { [`sealedsecrets.bitnami.com/${name}`]: 'true' };
    return sealed('alice-key', {
      'metadata.annotations': annotations,
      'spec.template.metadata.annotations': annotations,
    });
  };
  assert.match(problem(scope('cluster-wide')), /used by anybody/);
  assert.match(problem(scope('namespace-wide')), /no namespace-wide/);
  assert.equal(problem(scope('namespace-wide'), { scopes: ['strict', 'namespace-wide'] }), 'accepted');
  assert.match(problem(sops('alice-key'), { kinds: ['sealed-secret'] }), /takes no sops/);
});

test('nothing else can ride along: kinds, fields, annotations, owners, aliases', () => {
  const flux = { 'kustomize.toolkit.fluxcd.io/prune': 'disabled' };
  const extras: [string, unknown][] = [
    ['annotations', flux],
    ['labels', flux],
    ['labels', { team: 'x' }],
    ['ownerReferences', [{ apiVersion: 'v1', kind: 'Node', name: 'a', uid: 'b' }]],
    ['finalizers', ['a/b']],
    ['generateName', 'x'],
  ];
  for (const [key, value] of extras) {
    assert.match(problem(sealed('alice-key', { [`metadata.${key}`]: value })), /metadata/, key);
    assert.match(problem(sops('alice-key', { [`metadata.${key}`]: value })), /metadata/, key);
  }
  const template = sealed('alice-key', { 'spec.template.metadata.annotations': flux });
  assert.match(problem(template), /template\.metadata/);
  const token = sealed('alice-key', { 'spec.template.type': 'kubernetes.io/service-account-token' });
  assert.match(problem(token), /template\.type/);
  assert.match(problem(sops('alice-key', { type: 'bootstrap.kubernetes.io/token' })), /type/);
  for (const kind of ['ConfigMap', 'List', 'SecretList', 'ClusterRoleBinding']) {
    assert.match(
      problem(`apiVersion: v1\nkind: ${kind}\nmetadata: {name: alice-key}\n`),
      /only SealedSecrets/,
    );
  }
  assert.match(problem('a: &x 1\nb: *x\n'), /aliases|only SealedSecrets/);
  assert.match(problem('kind: [\n'), /^line 1/);
  assert.match(problem('just text'), /only SealedSecrets/);
  assert.match(problem('x'.repeat(600 * 1024)), /512 kB/);
  assert.match(problem('a\0b'), /plain text/);
});

test('whatever a person writes, what is taken is one document of one of two kinds', () => {
  const text = fc.string({
    unit: fc.constantFrom(...'a-: \n&*!{}[]"\'|>#', 'kind: Secret', '---\n', 'sops:'),
    maxLength: 80,
  });
  fc.assert(
    fc.property(text, (tail) => {
      const reading = readSecrets(`${sealed('alice-key')}${tail}`, place, rules);
      if ('problem' in reading) return;
      for (const one of reading.secrets) {
        const documents = parseAllDocuments(one.text);
        assert.equal(documents.length, 1);
        assert.match(String(parse(one.text).kind), /^(SealedSecret|Secret)$/);
      }
    }),
    { numRuns: 200 },
  );
});

test('a secret’s file is no function’s, and every owner that could mean its name is known', () => {
  assert.equal(secretPath('alice', 'alice-key'), 'tenants/alice/alice-key.secret.yaml');
  assert.equal(secretOfFile('alice-key.secret.yaml'), 'alice-key');
  assert.equal(secretOfFile('alice-key.yaml'), undefined);
  assert.deepEqual(possibleOwners('a-b-c'), ['a', 'a-b']);
});
