import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { routerDefaults } from '../config.ts';
import { createAddressReader } from './address.ts';

const read = createAddressReader(routerDefaults);

function address(url: string, host = 'alice.localhost:8080', method = 'GET') {
  return read({ url, method, headers: { host }, rawHeaders: ['Host', host] } as unknown as IncomingMessage);
}

test('the rest of the path and the query reach the function byte for byte', () => {
  const rows: [url: string, path: string][] = [
    ['/hello', '/'],
    ['/hello/', '/'],
    ['/hello?a=1', '/?a=1'],
    ['/hello/a/b?x=%2F..&x=2;y+z&e=', '/a/b?x=%2F..&x=2;y+z&e='],
    ['/hello//a//b', '//a//b'],
    ['/hello/a%2Fb%20c', '/a%2Fb%20c'],
    ['/hello/%E4%F6', '/%E4%F6'],
    ['/hello/.well-known/x', '/.well-known/x'],
    ['/hello/a..b/...', '/a..b/...'],
    ['/hello?q=100%&p=\\', '/?q=100%&p=\\'],
    ['/////hello/x', '/x'],
    ['http://alice.localhost:8080/hello/x', '/x'],
  ];
  for (const [url, path] of rows) {
    const found = address(url);
    assert.equal(found.kind, 'function', url);
    assert.deepEqual([found.owner, found.functionName, found.path], ['alice', 'hello', path], url);
  }
});

test('both forms name the same function and say what was cut off', () => {
  const own = address('/hello/x');
  const shared = address('/~alice/hello/x', 'localhost:8080');
  assert.equal(own.kind === 'function' && own.prefix, '/hello');
  assert.equal(shared.kind === 'function' && shared.prefix, '/~alice/hello');
  assert.equal(own.kind === 'function' && own.onPlatformOrigin, false);
  assert.equal(shared.kind === 'function' && shared.onPlatformOrigin, true);
  assert.equal(shared.kind === 'function' && shared.path, '/x');
});

test('hosts are read without case, port and final dot', () => {
  for (const host of ['ALICE.LocalHost', 'alice.localhost.', 'alice.localhost.:80', 'alice.localhost:1']) {
    assert.equal(address('/hello', host).kind, 'function', host);
  }
  for (const host of ['localhost', 'LOCALHOST:8080', 'localhost.']) {
    assert.equal(address('/hello', host).kind, 'platform', host);
  }
});

test('what is not an owner’s host never reaches a function', () => {
  const rows: [host: string, kind: string, status?: number][] = [
    ['a.b.localhost', 'refused', 404],
    ['-a.localhost', 'refused', 404],
    ['a_b.localhost', 'refused', 404],
    ['.localhost', 'refused', 400],
    ['alice.localhost..', 'refused', 400],
    ['', 'refused', 400],
    ['a b/c@d', 'refused', 400],
    ['alice.localhost@evil', 'refused', 400],
    ['[::1', 'refused', 400],
    ['alice.localhost:99999', 'refused', 400],
    ['alice.localhost:x', 'refused', 400],
    ['127.0.0.1:8080', 'platform'],
    ['[::1]:8080', 'platform'],
    ['alicelocalhost', 'platform'],
    ['evil.example', 'platform'],
  ];
  for (const [host, kind, status] of rows) {
    const found = address('/hello', host);
    assert.equal(found.kind, kind, host);
    if (found.kind === 'refused') assert.equal(found.status, status, host);
  }
  const onIp = address('/~alice/hello', '127.0.0.1:8080');
  assert.equal(onIp.kind === 'refused' && onIp.status, 404);
});

test('a path that two readers could take for two things is refused', () => {
  const paths = [
    '/hello/..',
    '/hello/../x',
    '/hello/.',
    '/hello/%2e%2e/x',
    '/hello/.%2E',
    '/hello/%252e%252e/x',
    '/hello/%25252e%25252e',
    '/hello/..%2fx',
    '/hello/x%5c..%5cy',
    '/hello/..;/x',
    '/hello/%2e%2e%3bx/y',
    '/hello/%zz',
    '/hello/%',
    '/hello/%0',
    '/hello/%00',
    '/hello/a%0d%0ab',
    '/hello/%2500',
    '/hello/%7f',
    '/hello\\x',
    '/hello/x\\..\\y',
    '/hello#x',
    '/hello?a#b',
    '/hello/\u00e9',
    '/hello/a b',
    '/../hello',
    '/%2e%2e/hello',
    'hello',
    '*',
    '',
    'ftp://alice.localhost/hello',
    'http://bob.localhost:8080/hello',
    'http://x@alice.localhost:8080/hello',
  ];
  for (const path of paths) {
    const found = address(path);
    assert.equal(found.kind === 'refused' && found.status, 400, path);
  }
});

test('a name that no function can have is not found, however it is escaped', () => {
  for (const path of [
    '/hello%2fx',
    '/hello%5cx',
    '/%68ello',
    '//evil.com/x',
    '/fn.kube',
    '/-x',
    `/${'a'.repeat(64)}`,
  ]) {
    const found = address(path);
    assert.equal(found.kind === 'refused' && found.status, 404, path);
  }
});

test('an owner’s root and the path form without function name no function', () => {
  assert.equal(address('/').kind, 'owner');
  assert.equal(address('/?x').kind, 'owner');
  assert.equal(address('/~alice', 'localhost').kind, 'owner');
  assert.equal(address('/~alice/', 'localhost').kind, 'owner');
  assert.equal(address('/~', 'localhost').kind, 'refused');
  assert.equal(address('/~Alice/x', 'localhost').kind, 'refused');
});

test('two Host fields are refused, even equal ones', () => {
  const rawHeaders = ['Host', 'localhost', 'HOST', 'localhost'];
  const req = { url: '/', method: 'GET', headers: { host: 'localhost' }, rawHeaders };
  assert.equal(read(req as unknown as IncomingMessage).kind, 'refused');
});
