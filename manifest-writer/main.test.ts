import assert from 'node:assert/strict';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { git, gitEnvironment } from '../runtime/git.ts';
import { createLogger } from '../runtime/logger.ts';
import { createHttpManifestWriter } from '../runtime/services/manifest-writer-http.ts';
import { parseServiceTokens } from '../runtime/services/service-tokens.ts';
import { programFiles, startProgramProcess } from '../test/programs/program-process.ts';

const main = 'manifest-writer/main.ts';
const path = process.env['PATH'] ?? '';
const logger = createLogger({ level: 'silent', name: 'test' });

async function scene() {
  const files = await programFiles();
  const remote = files.at('gitops.git');
  const work = files.at('work');
  const env = gitEnvironment(path, {
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@example.org',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@example.org',
  });
  for (const args of [
    ['init', '--quiet', '--bare', '--initial-branch=main', remote],
    ['init', '--quiet', '--initial-branch=main', work],
    ['-C', work, 'commit', '--quiet', '--allow-empty', '-m', 'Begin'],
    ['-C', work, 'push', '--quiet', remote, 'main'],
  ]) {
    assert.equal((await git({ args, env, cwd: files.dir })).exitCode, 0, args.join(' '));
  }
  return {
    files,
    env: {
      TOWLINE_GITOPS_URL: remote,
      TOWLINE_DELIVERY: 'repository',
      TOWLINE_TENANTS: 'none',
      TOWLINE_DATA: files.at('data'),
      TOWLINE_SERVICE_TOKEN_FILE: files.at('tokens'),
    },
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  };
}

describe('the manifest-writer as a program', () => {
  it('ends with 2 for ways to the repository that contradict each other or lack a part', async () => {
    await using at = await scene();
    const half = { ...at.env, TOWLINE_GITOPS_APP_ID: '1' };
    await using one = startProgramProcess(main, half, ['--check-config']);
    assert.equal(await one.ended, 2);
    assert.match(one.output(), /_APP_INSTALLATION and _APP_KEY_FILE go together/);

    await writeFile(at.files.at('empty'), '\n');
    const empty = { ...at.env, TOWLINE_GITOPS_TOKEN_FILE: at.files.at('empty') };
    await using two = startProgramProcess(main, empty, ['--check-config']);
    assert.equal(await two.ended, 2);
    assert.match(two.output(), /TOWLINE_GITOPS_TOKEN_FILE: .* is empty/);
  });

  it('ends with 2 for a folder of credentials that is not whole', async () => {
    await using at = await scene();
    const dir = at.files.at('credentials');
    await mkdir(dir);
    await writeFile(join(dir, 'username'), 'towline');
    const env = {
      ...at.env,
      TOWLINE_GITOPS_URL: 'https://git.example.org/a.git',
      TOWLINE_GITOPS_CREDENTIALS: dir,
    };
    await using token = startProgramProcess(main, env, ['--check-config']);
    assert.equal(await token.ended, 2);
    assert.match(token.output(), /TOWLINE_GITOPS_CREDENTIALS: .*password cannot be read/);

    await writeFile(join(dir, 'identity'), 'a key');
    await using ssh = startProgramProcess(main, env, ['--check-config']);
    assert.equal(await ssh.ended, 2);
    assert.match(ssh.output(), /known_hosts cannot be read/);
  });

  it('lives, but is not ready before it has read the repository once', async () => {
    await using at = await scene();
    const { TOWLINE_GITOPS_URL: remote } = at.env;
    const late = at.files.at('late.git');
    await using program = startProgramProcess(main, { ...at.env, TOWLINE_GITOPS_URL: late });
    assert.equal((await program.probe('/healthz')).status, 200);
    const { status, body } = await program.probe('/readyz');
    assert.equal(status, 503);
    assert.match(body['reason'] ?? '', /^the GitOps repository/);

    await rename(remote, late);
    await program.ready();
    assert.equal(await program.end('SIGTERM'), 0);
  });

  it('answers calls, after a kill too, and ends in order', async () => {
    await using at = await scene();
    await using first = startProgramProcess(main, at.env);
    await first.ready();
    await first.end('SIGKILL');
    await using program = startProgramProcess(main, at.env);
    await program.ready();
    const { internalPort } = await program.listening;
    await using writer = createHttpManifestWriter({
      url: `http://127.0.0.1:${internalPort}`,
      tokens: parseServiceTokens('t'.repeat(40)),
      logger,
    });

    assert.deepEqual(await writer.current('alice'), []);
    assert.equal(await program.end('SIGTERM'), 0);
  });
});
