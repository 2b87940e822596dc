import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gitlabTokenOf } from '../source/source-access-by-settings.ts';
import { type GitLabReporterConfig, onGitLab } from './gitlab-client.ts';
import { statusReport } from './reporter-fixture.ts';

const { signal } = new AbortController();
const report = { ...statusReport(), scm: 'gitlab', repository: { id: '7', path: 'acme/shop' } } as const;

function ask(token: GitLabReporterConfig['token'], act: () => Promise<void>) {
  return onGitLab({ baseUrl: 'http://127.0.0.1:1', token }, report, signal, act);
}

describe('a token for GitLab', () => {
  it('that cannot be used holds up its own owner only, and is in no reason', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'towline-token-'));
    try {
      const file = join(folder, 'acme');
      const token = gitlabTokenOf([{ path: 'acme', file }]);
      const act = () => assert.fail('nothing is asked without a token');
      const later = { type: 'later', reason: 'the token for acme/shop cannot be read', holds: 'owner' };
      assert.deepEqual(await ask(token, act), later, 'there is no file');
      for (const text of ['glpat-new\nglpat-old\n', '', 'x'.repeat(2000), 'gl\u0000pat']) {
        writeFileSync(file, text);
        assert.deepEqual(await ask(token, act), later, JSON.stringify(text));
        await assert.rejects(token('acme/shop'), (error: Error) => !`${error.stack}`.includes('glpat'));
      }
      writeFileSync(file, 'glpat-new\n');
      assert.deepEqual(await ask(token, async () => {}), { type: 'reported' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is left out of what an error says', async () => {
    const outcome = await ask(
      async () => 'glpat-new',
      () => Promise.reject(new TypeError('Headers.append: "glpat-new" is an invalid header value')),
    );
    assert.deepEqual(outcome.type === 'later' && outcome.holds, 'forge');
    assert.match('reason' in outcome ? outcome.reason : '', /"\*\*\*" is an invalid/);
  });
});
