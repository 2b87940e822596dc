import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maskCredentials } from './mask-credentials.ts';

/** Of the processor's time, so that other programs do not count; the least, so that the collector does not either. */
function leastMicroseconds(work: () => unknown): number {
  const times = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage();
    work();
    return process.cpuUsage(before).user;
  });
  return Math.min(...times);
}

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

  it('finds a JSON Web Token among other dots and dashes, and whole tokens however long they are', () => {
    const jwt = `eyJ${'a-_'.repeat(2000)}.eyJ${'b'.repeat(5000)}.${'c'.repeat(3000)}`;
    const cases = [
      [`x.y-${jwt}/z`, 'x.y-***/z'],
      [`abcdefgh.${jwt}.${jwt}`, 'abcdefgh.***.***'],
      ['eyJabcdefgh.short.abcdefgh', 'eyJabcdefgh.short.abcdefgh'],
      ['eyJabcdefgh..abcdefghi', 'eyJabcdefgh..abcdefghi'],
      ['xeyJabcdefgh.abcdefgh.abcdefgh', 'xeyJabcdefgh.abcdefgh.abcdefgh'],
      [`ghp_${'a'.repeat(900)}-b ghp_${'c'.repeat(30)}`, '***-b ***'],
    ] as const;
    for (const [text, expected] of cases) assert.equal(maskCredentials(text), expected);
  });

  it('reads each part of a hostile line once, however often it looks like a beginning', () => {
    const length = 1_000_000;
    const of = (piece: string) => piece.repeat(length / piece.length);
    const hostile = ['-eyJ', '-eyJ12345678.12345678', '://', 'a://b', 'a.://', 'gl-', 'glab-', 'a@', 'pypi-'];
    const others = ['authorization: bearer', 'authorization:    ', 'ghp_-', '-', 'eyJ.'];
    const texts = [...[...hostile, ...others].map(of), `x://${of('a@')}`];
    const unit = leastMicroseconds(() => of('ghp_-').replace(/[_-]/g, (sign) => `${sign}*`));
    const all = texts.map((text) => leastMicroseconds(() => maskCredentials(text)));
    const units = all.reduce((sum, one) => sum + one) / unit;
    // Measured: 4 to 7. It is five times that with one more look at each place, and hours with one at the rest of the line.
    assert.ok(units < 16, `${units} times as long as one replacement: ${all} µs, ${unit} µs`);
  });
});
