import assert from 'node:assert/strict';
import { it } from 'node:test';
import { safeReturnPath } from './return-path.ts';

it('goes back to a path of the dashboard, exactly as it was', () => {
  for (const path of [
    '/',
    '/demo',
    '/demo/hello/deploys?from=1#L10',
    '/demo/pushes/a%3Ab',
    '/a?q=x%20y',
    '/a//b',
  ]) {
    assert.equal(safeReturnPath(path), path);
  }
});

it('goes to the first page instead of anywhere else', () => {
  const evil = [
    '',
    'demo',
    '//evil.example',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '\\/evil.example',
    'https://evil.example',
    'http:evil.example',
    'https:/evil.example',
    'javascript:alert(1)',
    'data:text/html,x',
    '/\t/evil.example',
    '/\n/evil.example',
    '/\r\nSet-Cookie: a=b',
    '/%09/evil.example',
    '/%0d%0aSet-Cookie:%20a=b',
    '/%2fevil.example',
    '/%2F%2Fevil.example',
    '/%5cevil.example',
    '/./\\evil.example',
    '/.//evil.example',
    '/..//evil.example',
    '/a/..//evil.example',
    '/%2e%2e//evil.example',
    '/\u00a0/evil.example',
    '/\u3002evil',
    ' //evil.example',
    '/ /evil.example',
    '?x',
    '#x',
    '@evil.example',
    '.evil.example',
    '/%',
    '/%ff',
    '/login',
    '/login?ticket=x',
    '/logout',
    '/./login',
    `/${'a'.repeat(2_000)}`,
  ];
  for (const path of evil) assert.equal(safeReturnPath(path), '/', JSON.stringify(path));
});
