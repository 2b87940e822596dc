import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isBelow, locationUrl, parseRepositoryUrl } from './repository-url.ts';

describe('a repository URL', () => {
  const good: [string, string][] = [
    ['https://git.example.org/team/shop.git', 'https://git.example.org/team/shop.git'],
    ['https://GIT.example.org:443/team/shop/', 'https://git.example.org/team/shop'],
    ['http://127.0.0.1:3000/shop.git', 'http://127.0.0.1:3000/shop.git'],
    ['git@git.example.org:team/shop.git', 'ssh://git@git.example.org/team/shop.git'],
    ['git@git.example.org:/srv/shop.git', 'ssh://git@git.example.org/srv/shop.git'],
    ['ssh://me@git.example.org:22/team/shop.git', 'ssh://git@git.example.org/team/shop.git'],
  ];
  for (const [text, url] of good) {
    it(`is read: ${text}`, () => {
      const parsed = parseRepositoryUrl(text);
      assert.ok(parsed);
      const base = { ...parsed, username: '', path: '' };
      assert.equal(locationUrl(parsed, base), url);
    });
  }

  const bad = [
    ...['', 'shop', '/srv/git/shop.git', 'file:///srv/git/shop.git', 'ext::sh -c id', 'git://h/x'],
    ...[
      'https://user:pw@h/x',
      'https://user@h/x',
      'ssh://u:pw@h/x',
      'https:///x',
      'https://h/x?y',
      'https://h/x#y',
    ],
    ...[
      'https://h/a/../b',
      'https://h/./b',
      'https://h/a%2fb',
      'https://h/a\\b',
      'https://h//b',
      'https://h/a b',
    ],
    ...[
      'https://h/a\nb',
      'https://h/\u0000',
      '--upload-pack=id',
      '-oProxyCommand=id@h:x',
      'https://h/-x',
      'https://h/.git',
    ],
    ...[`https://h/${'x'.repeat(2000)}`, 'ssh://-oProxyCommand=id/x', 'git@h:-x'],
  ];
  for (const text of bad) {
    it(`is refused: ${JSON.stringify(text).slice(0, 60)}`, () => {
      assert.equal(parseRepositoryUrl(text), undefined);
    });
  }

  it('lies on a host only if everything before its own path is the same', () => {
    const base = parseRepositoryUrl('https://git.example.org/team')!;
    const below = (text: string) => isBelow(parseRepositoryUrl(text)!, base);
    assert.equal(below('https://git.example.org/team/shop.git'), true);
    for (const other of [
      'https://git.example.org/teammate/shop.git',
      'https://git.example.org/team',
      'http://git.example.org/team/shop.git',
      'https://git.example.org:8443/team/shop.git',
      'https://git.example.org.evil.net/team/shop.git',
      'https://evil.net/team/shop.git',
      'git@git.example.org:team/shop.git',
    ]) {
      assert.equal(below(other), false, other);
    }
  });
});
