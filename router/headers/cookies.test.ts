import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCookieGuard } from './cookies.ts';

const guard = createCookieGuard(['__Host-towline', 'towline_session']);

test('the platform’s cookies are cut out of what a function sees, parts and odd spellings too', () => {
  const rows: [sent: string, seen: string | undefined][] = [
    ['a=1; b=2', 'a=1; b=2'],
    ['towline_session=x', undefined],
    ['a=1; towline_session=x; b=2', 'a=1; b=2'],
    ['a=1;towline_session=x;b="q"', 'a=1; b="q"'],
    ['towline_session.0=x; towline_session_1=y; towline_session2=z; a=1', 'a=1'],
    ['__Host-towline=x; a=1; __Host-towline=y', 'a=1'],
    ['=towline_session=x; a=1', 'a=1'],
    ['TOWLINE_SESSION=x; a=1', 'a=1'],
    ['towline_session =x; a=1', 'a=1'],
    ['my_towline_session=x', 'my_towline_session=x'],
    ['a=towline_session', 'a=towline_session'],
    ['a=b=c; x', 'a=b=c; x'],
  ];
  for (const [sent, seen] of rows) assert.equal(guard.withoutPlatform(sent), seen, sent);
});

test('a function sets cookies for its own host only, and never the platform’s', () => {
  const rows: [cookie: string, allowed: boolean][] = [
    ['a=1; Path=/; HttpOnly', true],
    ['a=1; Domain=alice.localhost', true],
    ['a=1; domain = .ALICE.localhost ', true],
    ['a=1; Domain=', true],
    ['a=1; Domain=localhost', false],
    ['a=1; Domain=bob.localhost', false],
    ['a=1; Domain=alice.localhost; Domain=localhost', false],
    ['towline_session=x', false],
    [' =towline_session=x', false],
    ['__host-TOWLINE=x; Secure', false],
  ];
  for (const [cookie, allowed] of rows)
    assert.equal(guard.maySet(cookie, 'alice.localhost'), allowed, cookie);
});
