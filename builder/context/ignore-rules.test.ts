import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import dockerignore from '@balena/dockerignore';
import fc from 'fast-check';
import { parseIgnoreRules } from './ignore-rules.ts';

const drops = (text: string, path: string) => parseIgnoreRules(text, '.dockerignore').drops(path);

describe('ignore rules', () => {
  const cases: [string, string[], string[]][] = [
    ['node_modules', ['node_modules', 'node_modules/a/b'], ['a/node_modules', 'node_modules2']],
    ['/node_modules/', ['node_modules/a'], ['a/node_modules']],
    ['**/node_modules', ['node_modules', 'a/b/node_modules/c'], ['a/xnode_modules']],
    ['*.md', ['a.md'], ['a/b.md', 'md', 'a.mdx']],
    ['**/*.md', ['a.md', 'a/b/c.md'], ['a.m']],
    ['*', ['a', 'a/b', '.hidden'], []],
    ['**', ['a', 'a/b'], []],
    ['a/**', ['a/b', 'a/b/c'], ['a', 'ab']],
    ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b'], ['a/xb', 'ab']],
    ['a?c', ['abc', 'aüc', 'a💥c'], ['ac', 'a/c']],
    ['[a-c]x[^0-9]', ['axy', 'cxx'], ['dxy', 'ax1']],
    ['b[^a]c/**', ['b/c/d', 'bxc/d'], ['bac/d']],
    ['\\*.md', ['*.md'], ['a.md']],
    ['*\n!*.js', ['a'], ['b.js']],
    ['*\n!src', ['a'], ['src/b', 'src']],
    ['*.md\n!README.md\nREADME*', ['README.md', 'a.md'], ['b']],
    ['# comment\n\n  a  \r\n', ['a'], ['# comment', 'b']],
    ['\ufeffa', ['a'], []],
    ['../a\n/../b', ['b'], ['a']],
    ['a(b|c)+d{2}', ['a(b|c)+d{2}'], ['abd', 'abdd']],
    ['A', ['A'], ['a']],
  ];
  for (const [text, out, kept] of cases) {
    it(`read ${JSON.stringify(text)} as Docker does`, () => {
      for (const path of out) assert.equal(drops(text, path), true, path);
      for (const path of kept) assert.equal(drops(text, path), false, path);
    });
  }

  it('agree with the reference implementation, for any rules and paths of plain characters', () => {
    const segment = fc.stringMatching(/^[a-c.]{1,3}$/).filter((text) => !/^\.+$/.test(text));
    const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    // No class that matches a slash: the reference looks at fewer of the folders above a path than BuildKit then.
    const part = fc
      .array(fc.constantFrom('a', 'b', 'c', '.', '*', '?', '[ab]', '[b-c]'), { minLength: 1, maxLength: 3 })
      .map((pieces) => pieces.join('').replace(/\*+/g, '*'))
      // A rule that leads out of the context: the reference resolves it against the folder it runs in.
      .filter((text) => text !== '..');
    const rule = fc
      .tuple(
        fc.constantFrom('', '!', '/'),
        fc.array(fc.oneof(part, fc.constant('**')), { minLength: 1, maxLength: 4 }),
      )
      .map(([sign, parts]) => sign + parts.join('/'));
    fc.assert(
      fc.property(fc.array(rule, { minLength: 1, maxLength: 4 }), path, (rules, wanted) => {
        const reference = dockerignore.default({ ignorecase: false }).add(rules);
        assert.equal(
          drops(rules.join('\n'), wanted),
          reference.ignores(wanted),
          JSON.stringify([rules, wanted]),
        );
      }),
      { numRuns: 3000 },
    );
  });

  it('take no longer for patterns that would keep a regular expression busy for ever', {
    timeout: 120_000,
  }, () => {
    const path = `${`${'a'.repeat(250)}/`.repeat(15)}b`;
    const text = Array.from({ length: 100 }, () => `${'**/*a'.repeat(4)}*c\n(a+)+$`).join('\n');
    assert.equal(drops(text, path), false);
  });

  it('stop when rules and files are too many together', { timeout: 120_000 }, () => {
    const rules = parseIgnoreRules(
      Array.from({ length: 500 }, () => '**a**a**a**a**b').join('\n'),
      '.dockerignore',
    );
    const path = `${'a/'.repeat(60)}${'a'.repeat(190)}`;
    assert.throws(
      () => {
        for (let n = 0; n < 100_000; n += 1) rules.drops(path);
      },
      { code: 'context_too_large' },
    );
  });

  const wrong: [string, RegExp][] = [
    ['a\n!', /stands alone/],
    ['a\n[b', /no "\]"/],
    [`a\n${'x'.repeat(501)}`, /longer than/],
    [`a\n${'*a'.repeat(11)}`, /wildcards/],
  ];
  for (const [text, message] of wrong) {
    it(`say where ${message} is wrong`, () => {
      assert.throws(() => parseIgnoreRules(text, 'fn/.dockerignore'), {
        code: 'build_failed',
        message,
        place: { file: 'fn/.dockerignore', line: 2 },
      });
    });
  }

  it('are 500 at most', () => {
    assert.throws(() => parseIgnoreRules('a\n'.repeat(501), '.dockerignore'), {
      place: { file: '.dockerignore', line: 501 },
    });
  });
});
