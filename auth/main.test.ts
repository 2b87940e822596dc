import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createHttpAuth } from '../runtime/services/auth-http.ts';
import { parseServiceTokens } from '../runtime/services/service-tokens.ts';
import { programFiles, startProgramProcess } from '../test/programs/program-process.ts';

const main = 'auth/main.ts';

async function scene() {
  const files = await programFiles();
  const env = {
    TOWLINE_PUBLIC_ORIGIN: 'https://fn.example.org',
    TOWLINE_DATA: files.at('data'),
    TOWLINE_SERVICE_TOKEN_FILE: files.at('tokens'),
  };
  return {
    env,
    async command(...args: string[]): Promise<{ code: number | string; output: string }> {
      await using program = startProgramProcess(main, env, args);
      const code = await program.ended;
      return { code, output: program.output() };
    },
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  };
}

describe('auth as a program', () => {
  it('ends with 2 without its service tokens', async () => {
    await using at = await scene();
    const env = { ...at.env, TOWLINE_SERVICE_TOKEN_FILE: '/nonexistent' };
    await using program = startProgramProcess(main, env);

    assert.equal(await program.ended, 2);
    assert.match(program.output(), /TOWLINE_SERVICE_TOKEN_FILE: \/nonexistent cannot be read/);
  });

  it('lets an operator in by a link made beside the running program, once', async () => {
    await using at = await scene();
    await using program = startProgramProcess(main, at.env);
    const { port } = await program.listening;
    await program.ready();

    assert.match(
      (await at.command('create-owner', 'alice', '--operator')).output,
      /^alice: .* \(operator\)$/m,
    );
    const { output } = await at.command('login-link', 'alice');
    const link = new URL(output.trim());
    assert.equal(link.origin, 'https://fn.example.org');
    const page = await fetch(`http://127.0.0.1:${port}${link.pathname}${link.search}`, {
      redirect: 'manual',
    });
    assert.equal(page.status, 303);
    assert.match(page.headers.get('set-cookie') ?? '', /^__Host-towline_session=.*Secure/);
    const unknown = await at.command('login-link', 'nobody');
    assert.equal(unknown.code, 1);
    assert.match(unknown.output, /there is no owner "nobody"/);
    assert.equal(await program.end('SIGTERM'), 0);
  });

  it('answers the calls of programs that have the token, and of no others; what it knew outlives a kill', async () => {
    await using at = await scene();
    await at.command('create-owner', 'alice');
    await using first = startProgramProcess(main, at.env);
    await first.ready();
    await first.end('SIGKILL');
    await using program = startProgramProcess(main, at.env);
    const { internalPort } = await program.listening;
    const url = `http://127.0.0.1:${internalPort}`;
    await using friend = createHttpAuth({ url, tokens: parseServiceTokens('t'.repeat(40)) });
    await using stranger = createHttpAuth({ url, tokens: parseServiceTokens('x'.repeat(40)) });

    assert.deepEqual(
      (await friend.owners()).map(({ slug }) => slug),
      ['alice'],
    );
    await assert.rejects(stranger.owners());
  });
});
