import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { DeployRecord, PushRecord } from '../../core/deploy.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { type Clone, cloneGitOps, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { eventually, Product } from './product.ts';

/** Each ends the platform when the terminal shows that the deploy has come this far. */
const moments: [string, RegExp][] = [
  ['as soon as the pack is stored', /remote: /],
  ['after the clone', /remote: .*clone/i],
  ['while it builds', /remote: .*(build|node)/i],
  ['after the commit', /remote: .*committed/i],
  ['once it is live', /remote: ==> hello is live/i],
];

describe('use 6: kill -9 at every step, then start again', () => {
  let product: Product;
  let clone: Clone;
  let number = 0;
  /** Of the first push, which nothing interrupted. */
  let author: HistoryEntry['author'] | undefined;
  before(async () => {
    product = await Product.start();
    clone = await sourceRepository(product, 'demo', 'app');
    await push(clone, 'First', { 'stack.yml': nodeStack('hello'), 'hello/handler.js': nodeHandler('first') });
    number = 1;
    author = (await product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'hello')))[0]?.author;
    assert.ok(author);
  });
  after(async () => {
    clone?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  /** After a kill and a start: the head of the branch is live, its commit is there once, nothing is left open. */
  async function endsOnce(commit: string, text: string): Promise<void> {
    await eventually(`"${text}" to be served`, async () => {
      const answer = await product.call('demo', '/hello').catch(() => undefined);
      return answer?.body === text;
    });
    await eventually('all pushes to end', async () => {
      const pushes = await product.api<PushRecord[]>('GET', apiPaths.pushes('demo'));
      return pushes.every((record) => record.state === 'done');
    });
    const history = await product.api<HistoryEntry[]>(
      'GET',
      apiPaths.history('demo', 'hello', { limit: 200 }),
    );
    assert.equal(
      history.filter((entry) => entry.sourceCommit === commit).length,
      1,
      JSON.stringify(history, null, 1),
    );
    number += 1;
    assert.equal(history[0]?.number, number);
    assert.deepEqual(history[0]?.author, author, 'the author is who pushed');
    const pushes = await product.api<PushRecord[]>('GET', apiPaths.pushes('demo'));
    const live = pushes
      .flatMap((record) => record.deploys)
      .filter((deploy: DeployRecord) => deploy.sourceCommit === commit && deploy.state === 'live');
    assert.equal(live.length, 1);
    using gitOps = await cloneGitOps(product);
    assert.equal(await gitOps.git('fsck', '--no-dangling'), '');
  }

  async function pushAndKill(
    text: string,
    when: (kill: () => void) => ((terminal: string) => void) | undefined,
  ): Promise<string> {
    const commit = await clone.commit(text, { 'hello/handler.js': nodeHandler(text) });
    let killed: Promise<void> | undefined;
    const kill = () => {
      killed ??= product.kill();
    };
    const onStderr = when(kill);
    await clone.try(['push', 'origin', 'HEAD:main'], onStderr ? { onStderr } : {});
    kill();
    await killed;
    return commit;
  }

  async function recover(): Promise<void> {
    await product.start();
    // The client may have been cut off before the ref was stored: then the person pushes again.
    await clone.try(['push', 'origin', 'HEAD:main']);
  }

  for (const [title, pattern] of moments) {
    it(`ends as it should when killed ${title}`, async () => {
      const text = `killed ${title}`;
      const commit = await pushAndKill(text, (kill) => (terminal) => {
        if (pattern.test(terminal)) kill();
      });
      await recover();

      await endsOnce(commit, text);
    });
  }

  for (let round = 0; round < 10; round += 1) {
    const afterMs = 40 + round * 60;
    it(`ends as it should when killed ${afterMs} ms after the push began`, async () => {
      const text = `killed after ${afterMs} ms`;
      let timer: NodeJS.Timeout | undefined;
      const commit = await pushAndKill(text, (kill) => {
        timer = setTimeout(kill, afterMs);
        return undefined;
      });
      clearTimeout(timer);
      await recover();

      await endsOnce(commit, text);
    });
  }

  it('leaves no git that waits for the rest of an upload', async () => {
    const authorization = `Basic ${Buffer.from(`git:${product.token}`).toString('base64')}`;
    const upload = connect({ port: product.port, host: '127.0.0.1' });
    upload.on('error', () => undefined);
    upload.write(
      [
        'POST /git/demo/app.git/git-receive-pack HTTP/1.1',
        `Host: localhost:${product.port}`,
        `Authorization: ${authorization}`,
        'Content-Type: application/x-git-receive-pack-request',
        'Content-Length: 5000',
        '',
        '00a0',
      ].join('\r\n'),
    );
    await eventually('git to wait for the upload', async () => gitsBelow(product.dataDir) > 0);
    await product.kill();
    await eventually('git to end', async () => gitsBelow(product.dataDir) === 0);
    await product.start();
  });
});

/** Processes whose folder is a repository there. */
function gitsBelow(dataDir: string): number {
  const isThere = (pid: string) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(join(dataDir, 'repos'));
    } catch {
      return false;
    }
  };
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isThere(name)).length;
}
