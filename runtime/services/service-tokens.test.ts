import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silent } from './call-fixture.ts';
import { openServiceTokens, parseServiceTokens } from './service-tokens.ts';

const [first, second] = ['a'.repeat(32), 'b'.repeat(64)] as const;

describe('service tokens', () => {
  it('are one a line: the first is sent, any is accepted', () => {
    const tokens = parseServiceTokens(`# comment\n\n${first}\r\n  ${second}  \n`);

    assert.equal(tokens.own(), first);
    assert.ok(tokens.accepts(first, 'auth/owners') && tokens.accepts(second, 'auth/owners'));
    for (const wrong of ['', 'a', `${first} `, first.slice(1), `${second}b`, '# comment']) {
      assert.equal(tokens.accepts(wrong, 'auth/owners'), false, wrong);
    }
  });

  it('may be good for some calls alone', () => {
    const tokens = parseServiceTokens(`${first}\n${second} build-service/pending auth`);

    assert.deepEqual(
      ['build-service/pending', 'build-service/announce', 'auth/owners', 'authority/x'].map((call) =>
        tokens.accepts(second, call),
      ),
      [true, false, true, false],
    );
  });

  it('are not short, not nothing, and not shown in the error', () => {
    for (const content of ['', '\n# none\n', 'short', `${first}\nshort-secret`, `${first} */x`]) {
      assert.throws(
        () => parseServiceTokens(content),
        (error: Error & { code?: string }) =>
          error.code === 'config_invalid' && !/short|aaa/.test(error.message),
        content,
      );
    }
  });

  it('are read again when the file is replaced, and kept when the new one makes no sense', (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
    const folder = mkdtempSync(join(tmpdir(), 'towline-tokens-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'tokens');
    const replace = (content: string) => {
      writeFileSync(`${path}.new`, content);
      renameSync(`${path}.new`, path);
      t.mock.timers.tick(5_000);
    };
    replace(first);
    const tokens = openServiceTokens(path, silent);
    assert.equal(tokens.own(), first);

    replace(`${second}\n${first}`);
    assert.equal(tokens.own(), second);
    replace('nonsense');
    assert.equal(tokens.own(), second);
    rmSync(path);
    t.mock.timers.tick(5_000);
    assert.ok(tokens.accepts(first, 'auth/owners'));
  });
});
