import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isAllowed, isPattern, templateLocation, templateUrl } from './template-location.ts';

describe('the URL of a repository of templates', () => {
  const good: [string, string][] = [
    ['https://github.com/openfaas/templates', 'https://github.com/openfaas/templates'],
    ['https://GitHub.com/openfaas/templates.git/', 'https://github.com/openfaas/templates.git'],
    ['https://host:8443/a/../b', 'https://host:8443/b'],
    ['git@github.com:openfaas/templates.git', 'ssh://git@github.com/openfaas/templates.git'],
    ['ssh://git@host:2222/a/b', 'ssh://git@host:2222/a/b'],
    ['file:///srv/templates', 'file:///srv/templates'],
  ];
  for (const [written, url] of good) {
    it(`of ${written} is ${url}`, () => assert.equal(templateUrl(written), url));
  }

  const bad = [
    ...[
      '',
      'templates',
      '/srv/templates',
      './templates',
      'https://',

      'https://host',
      'https://host/',
    ],
    ...['git://host/a', 'ext::sh -c id', 'ftp://host/a', 'javascript:alert(1)', 'data:text/plain,a'],
    ...['https://user@host/a', 'https://user:password@host/a', 'ssh://git:password@host/a'],
    ...[
      'https://host/a?b',
      'https://host/a#b',
      'https://host/a%2fb',

      'https://host//a',
    ],
    ...[
      'https://host\\@evil/a',
      'https://host/a b',
      'https://host/a\n',
      '-oProxyCommand=id',
      '--upload-pack=id',
    ],
    ...['git@host:/absolute', '-x@host:a', 'file://host/srv'],
  ];
  for (const written of bad) {
    it(`is not ${JSON.stringify(written)}`, () => assert.equal(templateUrl(written), undefined));
  }

  it('is what git and the check see alike, for any text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map((text) => `https://host/${text}`),
        ),
        (text) => {
          const url = templateUrl(text);
          if (url === undefined) return;
          assert.equal(templateUrl(url), url);
          assert.doesNotMatch(url, /[\s%\\]|\.\.\//);
        },
      ),
    );
  });
});

describe('an allow-list of sources', () => {
  const patterns = [
    'https://github.com/openfaas/*',
    'https://git.example.com/team/templates',
    'file:///srv/one',
  ];
  const cases: [string, boolean][] = [
    ['https://github.com/openfaas/templates', true],
    ['https://github.com/openfaas/a/b', true],
    ['https://github.com/openfaas/', false],
    ['https://github.com/openfaas', false],
    ['https://github.com/openfaas-evil/templates', false],
    ['https://github.com/openfaas/../evil/templates', false],
    ['http://github.com/openfaas/templates', false],
    ['https://github.com:8443/openfaas/templates', false],
    ['https://github.com.evil.example/openfaas/templates', false],
    ['https://git.example.com/team/templates.git', true],
    ['https://git.example.com/team/templates/more', false],
    ['ssh://git@github.com/openfaas/templates', false],
    ['file:///srv/one', true],
    ['file:///srv/two', false],
  ];
  for (const [written, allowed] of cases) {
    it(`${allowed ? 'takes' : 'refuses'} ${written}`, () => {
      const url = templateUrl(written);
      assert.equal(url !== undefined && isAllowed(url, patterns), allowed);
    });
  }

  it('takes only patterns that can match: whole hosts, no wildcard but the last, no folders below a folder', () => {
    for (const pattern of patterns) assert.equal(isPattern(pattern), true, pattern);
    const wrong = [
      '*',
      'https://*',
      'https://*/a',
      'https://github.com*',
      'https://a/*/b',
      'https://A/*',
      'file:///srv/*',
    ];
    for (const pattern of wrong) assert.equal(isPattern(pattern), false, pattern);
  });
});

describe("an operator's location", () => {
  it('has a ref behind the "#", or none', () => {
    assert.deepEqual(templateLocation('https://host/a#v1'), { url: 'https://host/a', ref: 'v1' });
    assert.deepEqual(templateLocation('https://host/a'), { url: 'https://host/a' });
    for (const text of ['https://host/a#', 'https://host/a#b#c', 'nothing']) {
      assert.equal(templateLocation(text), undefined);
    }
  });
});
