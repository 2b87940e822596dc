import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { readSecrets } from './read-secrets.ts';
import { SecretRules } from './secret-rules.ts';

const place = { owner: 'alice', ownerId: '17', repo: 'greetings', namespace: 'openfaas-fn' };
const rules = SecretRules.parse({});
const sample = (name: string) => readFileSync(join(import.meta.dirname, 'samples', name), 'utf8');

function problem(text: string, changed: Partial<SecretRules> = {}): string {
  const reading = readSecrets(text, place, { ...rules, ...changed });
  return 'problem' in reading ? reading.problem : 'accepted';
}

test('what kubeseal sealed strictly is taken, with its ciphertext untouched', () => {
  for (const name of ['sealed-strict.yaml', 'sealed-strict.json']) {
    const text = sample(name);
    const reading = readSecrets(text, place, rules);
    assert.ok('secrets' in reading, JSON.stringify(reading));
    const [secret] = reading.secrets;
    assert.deepEqual(parse(secret?.text ?? '').spec.encryptedData, parse(text).spec.encryptedData);
  }
});

test('what kubeseal sealed for a namespace needs a rule for it, what it sealed for a cluster is refused', () => {
  const wide = sample('sealed-namespace-wide.yaml');
  assert.match(problem(wide), /no namespace-wide sealed secrets, only strict/);
  assert.equal(problem(wide, { scopes: ['strict', 'namespace-wide'] }), 'accepted');
  const cluster = sample('sealed-cluster-wide.yaml');
  assert.match(problem(cluster, { scopes: ['strict', 'namespace-wide'] }), /used by anybody/);
});

test('what sops encrypted is taken as it is', () => {
  for (const name of ['sops-string-data.yaml', 'sops-string-data.json', 'sops-data-two-keys.yaml']) {
    const text = sample(name);
    const reading = readSecrets(text, place, rules);
    assert.ok('secrets' in reading, JSON.stringify(reading));
    assert.deepEqual(parse(reading.secrets[0]?.text ?? ''), parse(text), name);
  }
});

test('what sops left readable, or with a checksum of less than all, is refused', () => {
  assert.match(problem(sample('sops-nothing-encrypted.yaml')), /it is not encrypted/);
  assert.match(problem(sample('sops-mac-only-encrypted.yaml')), /whole document/);
  assert.match(problem(sample('sops-whole-document.yaml')), /only SealedSecrets/);
});

test('the real ones, cut short, renamed or mixed with plain text, are refused', () => {
  const sealed = sample('sealed-strict.yaml');
  const ciphertext = String(parse(sealed).spec.encryptedData.token);
  const encrypted = String(parse(sample('sops-string-data.yaml')).stringData.token);
  const sops = sample('sops-string-data.yaml');
  const cases: [string, RegExp][] = [
    [sealed.replace(ciphertext, ciphertext.slice(0, 300)), /kubeseal writes/],
    [sealed.replace(ciphertext, `B${ciphertext.slice(1)}`), /kubeseal writes/],
    [sealed.replace(ciphertext, `${ciphertext}!`), /kubeseal writes/],
    [sealed.replace(ciphertext, 'bm90LWEtcmVhbC10b2tlbg=='), /kubeseal writes/],
    [sealed.replaceAll('name: alice-key', 'name: bob-key'), /must be called "alice-/],
    [sealed.replace('name: alice-key', 'name: alice-other'), /another one/],
    [sealed.replaceAll('openfaas-fn', 'kube-system'), /metadata.namespace/],
    [sops.replace(encrypted, 'not-a-real-token'), /stringData.token: it is not encrypted/],
    [
      sops.replace(encrypted, encrypted.replace(/iv:[^,]{8}/, 'iv:')),
      /stringData.token: it is not encrypted/,
    ],
    [
      sops.replace(encrypted, encrypted.replace(/tag:[^,]{8}/, 'tag:')),
      /stringData.token: it is not encrypted/,
    ],
    [sops.replace('    namespace: openfaas-fn', '    namespace: flux-system'), /metadata.namespace/],
    [sops.replace('    name: alice-key', '    name: bob-key'), /must be called "alice-/],
    [sops.replace(/^ {4}age:[\s\S]*(?=^ {4}encrypted_regex)/m, '    age: []\n'), /names no key/],
    [sops.replace(/^ {4}mac:.*\n/m, ''), /sops.mac/],
  ];
  for (const [text, expected] of cases) assert.match(problem(text), expected);
});
