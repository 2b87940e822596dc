import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Template } from '../templates/template.ts';
import { type BuildInputs, contentHash } from './content-hash.ts';

const template: Template = {
  language: 'node',
  dir: '/templates/node',
  handlerFolder: 'function',
  command: ['node', 'index.js'],
  mode: 'http',
  environment: { A: '1', B: '2' },
  buildSteps: [{ name: 'install', command: ['npm', 'ci'], cwd: '.', if: [], unless: [] }],
};
const inputs: BuildInputs = {
  contextDigest: 'sha256:1',
  template,
  buildArgs: { X: '1', Y: '2' },
  buildSecrets: { token: 'npm' },
  platforms: ['linux/amd64'],
  imageName: 'r/alice/shop-hello',
  engine: 'buildkit',
};
const base = contentHash(inputs);
const changed = (patch: Partial<BuildInputs>) => contentHash({ ...inputs, ...patch });

describe('the content hash of a function', () => {
  it('stays with whatever does not change what is built', () => {
    assert.match(base, /^sha256:[0-9a-f]{64}$/);
    assert.equal(changed({ buildArgs: { Y: '2', X: '1' } }), base);
    assert.equal(changed({ template: { ...template, dir: '/elsewhere' } }), base);
    assert.equal(changed({ template: { ...template, environment: { B: '2', A: '1' } } }), base);
  });

  it('changes with each input', () => {
    const others = [
      changed({ contextDigest: 'sha256:2' }),
      changed({ imageName: 'r/bob/shop-hello' }),
      changed({ engine: 'docker' }),
      changed({ template: null }),
      changed({ template: { ...template, command: ['node', 'other.js'] } }),
      changed({ template: { ...template, mode: 'streaming' } }),
      changed({ template: { ...template, buildSteps: [] } }),
      changed({ template: { ...template, origin: { kind: 'repository' } } }),
      changed({ buildArgs: { X: '1' } }),
      changed({ buildSecrets: { token: 'other' } }),
      changed({ buildSecrets: { other: 'npm' } }),
      changed({ platforms: ['linux/arm64'] }),
      changed({ platforms: [] }),
    ];
    assert.equal(new Set([base, ...others]).size, others.length + 1);
  });

  it('is one for one set of build arguments and no other', () => {
    const map = fc.dictionary(fc.string({ maxLength: 4 }), fc.string({ maxLength: 4 }), { maxKeys: 4 });
    fc.assert(
      fc.property(map, map, (one, other) => {
        const sorted = (args: Record<string, string>) => JSON.stringify(Object.entries(args).sort());
        const isSame = sorted(one) === sorted(other);
        assert.equal(changed({ buildArgs: one }) === changed({ buildArgs: other }), isSame);
      }),
      { numRuns: 200 },
    );
  });
});
