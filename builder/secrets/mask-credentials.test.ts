import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maskCredentials } from './mask-credentials.ts';

describe('the mask of credentials', () => {
  it('hides passwords in URLs, also such with signs that should have been escaped', () => {
    const cases = [
      ['fetch https://bob:hunter2@example.org/a?b', 'fetch https://***@example.org/a?b'],
      ['"git+https://ghp@example.org"', '"git+https://***@example.org"'],
      ['https://bob:p@ss:w@example.org', 'https://***@example.org'],
      ['postgres://u:p@db:5432/x https://u:q@h/', 'postgres://***@db:5432/x https://***@h/'],
      ['HTTPS://U:P@H', 'HTTPS://***@H'],
    ] as const;
    for (const [text, expected] of cases) assert.equal(maskCredentials(text), expected);
  });

  it('hides authorization headers and tokens of well-known forms', () => {
    const tokens = [
      `ghp_${'a1'.repeat(18)}`,
      `github_pat_${'A_1'.repeat(20)}`,
      `glpat-${'x1-'.repeat(8)}`,
      `npm_${'b2'.repeat(18)}`,
      'AKIAIOSFODNN7EXAMPLE',
      `xoxb-${'1'.repeat(20)}`,
      `towline_pat_${'Zz9'.repeat(10)}`,
      `eyJhbGciOiJIUzI1NiJ9.${'p'.repeat(20)}.${'s'.repeat(20)}`,
    ];
    for (const token of tokens) assert.equal(maskCredentials(`with ${token} now`), 'with *** now', token);
    assert.equal(maskCredentials('> Authorization: Bearer abc.def'), '> Authorization: Bearer ***');
    assert.equal(maskCredentials('{"authorization": "Basic dTpw"}'), '{"authorization": "Basic ***"}');
  });

  it('leaves other text alone', () => {
    const texts = [
      'npm warn deprecated glob@7.2.3: see https://example.org/a@b',
      'clone https://example.org:8080/x.git user@example.org',
      '\u001b[32mok\u001b[0m 12 passed, AKIA, eyJ, gl-x, sha256:0123',
      'pkg@1.2.3 file:///tmp/a@2',
    ];
    for (const text of texts) assert.equal(maskCredentials(text), text);
  });

  it('takes long and hostile lines', () => {
    for (const line of [
      '://'.repeat(3000),
      'a://'.repeat(2000),
      'eyJ.'.repeat(2000),
      'gl-'.repeat(3000),
      `x://${'a@'.repeat(4000)}`,
    ]) {
      assert.ok(maskCredentials(line).length <= line.length);
    }
  });
});
