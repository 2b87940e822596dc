import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { createLogger } from '../../runtime/logger.ts';
import { openHookEndpoint } from './hook-endpoint.ts';
import { maxKept, type PushedRefs } from './hook-request.ts';

const logger = createLogger({ level: 'silent', name: 'test' });
const [before, after] = ['0'.repeat(40), 'a'.repeat(40)];
const lineOf = (ref: string) => `${before} ${after} ${ref}\n`;

/** Sends it as a hook does and resolves with the answer. */
async function send(port: string | undefined, chunks: Iterable<string>): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: Number(port) });
  socket.on('error', () => {});
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk;
  });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (const chunk of chunks) socket.write(chunk);
  socket.end();
  await closed;
  return answer;
}

describe('the port that hooks talk to', { timeout: 120_000 }, () => {
  it('takes a push of any number of refs, and keeps the first and what is deployed', async () => {
    await using endpoint = await openHookEndpoint({ logger });
    const long = 'x'.repeat(200);
    const count = 20_000;
    const got: PushedRefs[] = [];
    const { env } = endpoint.issue(
      async (pushed, output) => {
        got.push(pushed);
        output.line(`${pushed.omitted} omitted`);
      },
      ['refs/heads/main'],
    );
    function* chunks() {
      yield `${env['TOWLINE_HOOK_TOKEN']}\n`;
      for (let n = 0; n < count; n += 1) yield lineOf(`refs/changes/${n}/${long}`);
      for (let n = 0; n < count; n += 1) yield lineOf(`refs/heads/a${n}`);
      yield lineOf('refs/heads/main');
    }

    const answer = await send(env['TOWLINE_HOOK_PORT'], chunks());

    assert.equal(answer, `${2 * (count - maxKept)} omitted\n\u0004`);
    assert.equal(got[0]?.updates.length, 2 * maxKept + 1);
    assert.deepEqual(got[0]?.updates.at(-1), { before, after, ref: 'refs/heads/main' });
    assert.equal(got[0]?.updates[maxKept]?.ref, 'refs/heads/a0');
  });

  it('reads lines that come in pieces', async () => {
    await using endpoint = await openHookEndpoint({ logger });
    const got: PushedRefs[] = [];
    const { env } = endpoint.issue(async (pushed) => void got.push(pushed), []);
    const text = `${env['TOWLINE_HOOK_TOKEN']}\n${lineOf('refs/heads/grün')}`;

    await send(env['TOWLINE_HOOK_PORT'], text);

    assert.deepEqual(got, [{ updates: [{ before, after, ref: 'refs/heads/grün' }], omitted: 0 }]);
  });

  for (const [what, text] of [
    ['an unknown secret', 'nonsense\n'],
    ['a line without end', 'x'.repeat(100_000)],
    ['nothing', ''],
  ] as const) {
    it(`hangs up on ${what}`, async () => {
      await using endpoint = await openHookEndpoint({ logger });
      const { env } = endpoint.issue(async (_pushed, output) => output.line('handled'), []);

      assert.equal(await send(env['TOWLINE_HOOK_PORT'], [text]), '');
    });
  }

  it('takes a secret once', async () => {
    await using endpoint = await openHookEndpoint({ logger });
    const { env } = endpoint.issue(async (_pushed, output) => output.line('handled'), []);
    const text = [`${env['TOWLINE_HOOK_TOKEN']}\n`];

    const answers = [await send(env['TOWLINE_HOOK_PORT'], text), await send(env['TOWLINE_HOOK_PORT'], text)];

    assert.deepEqual(answers, ['handled\n\u0004', '']);
  });
});
