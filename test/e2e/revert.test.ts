import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { RevertResult } from '../../core/api.ts';
import type { PushRecord } from '../../core/deploy.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { type Clone, cloneGitOps, push, sourceRepository } from './git-client.ts';
import { eventually, Product } from './product.ts';

const stack = (greeting: string) => `version: 1.0
provider:
  name: openfaas
functions:
  hello:
    lang: node
    handler: ./hello
    environment:
      GREETING: ${greeting}
`;
const handler = (version: string) =>
  `module.exports = async (event, context) => context.succeed('${version} ' + process.env.GREETING);\n`;
const grace = { name: 'Grace Hopper', email: 'grace@example.org' };

/** The event that the git host made of a push, made again as a forge's redelivery would. */
function pushEvent(product: Product, record: PushRecord): object {
  return {
    type: 'push',
    scm: 'git',
    repository: {
      id: `local:${record.owner}/${record.repo}`,
      name: record.repo,
      owner: record.owner,
      ownerId: record.ownerId,
      cloneUrl: `${product.ready.origin}/git/${record.owner}/${record.repo}.git`,
      defaultBranch: 'main',
      private: true,
    },
    actor: record.actor,
    ref: record.ref,
    before: record.before,
    after: record.after,
  };
}

function deliver(product: Product, event: object): ReturnType<Product['request']> {
  const secret = readFileSync(join(product.dataDir, 'keys/webhook-secret'), 'utf8').trim();
  const body = JSON.stringify(event);
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  const headers = { 'content-type': 'application/json', 'x-towline-signature-256': `sha256=${signature}` };
  return product.request('/webhooks/git', { method: 'POST', headers, body });
}

describe('use 3: revert code and configuration without a rebuild', () => {
  let product: Product;
  let source: Clone;
  let gitOps: Clone;
  const answer = async () => (await product.call('demo', '/hello')).body;
  const answers = (text: string) => eventually(`the answer "${text}"`, async () => (await answer()) === text);
  const history = () => product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'hello'));
  before(async () => {
    product = await Product.start();
    source = await sourceRepository(product, 'demo', 'app');
    await push(source, 'One', { 'stack.yml': stack('hi'), 'hello/handler.js': handler('one') });
    await push(source, 'Two', { 'stack.yml': stack('hey'), 'hello/handler.js': handler('two') });
    gitOps = await cloneGitOps(product, grace);
  });
  after(async () => {
    source?.[Symbol.dispose]();
    gitOps?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  it("follows a person's plain git revert pushed to the GitOps repository", async () => {
    assert.equal(await answer(), 'two hey');
    await gitOps.git('revert', '--no-edit', 'HEAD');
    const result = await gitOps.try(['push', 'origin', 'HEAD:main']);
    assert.equal(result.exitCode, 0, result.stderr);

    assert.match(result.stderr, /remote: ==> hello is live/);
    await answers('one hi');
    const [newest, reverted] = await history();
    assert.equal(newest?.kind, 'revert');
    assert.equal(newest?.direct, true);
    assert.equal(newest?.author.name, grace.name);
    assert.equal(newest?.restores, 1);
    assert.equal(newest?.reverts, reverted?.commit);
    assert.equal(reverted?.revertedBy, 3);
  });

  it('changes nothing when the reverted push is delivered again, or built again', async () => {
    const [first] = await product.api<PushRecord[]>('GET', apiPaths.pushes('demo'));
    assert.ok(first);
    const { id } = await product.api<{ id: string }>('POST', apiPaths.rebuild(first.id), {});
    const push = await eventually('the rebuild to end', async () => {
      const record = await product.api<PushRecord>('GET', apiPaths.push(id));
      return record.state === 'done' ? record : undefined;
    });

    assert.equal(push.deploys[0]?.state, 'skipped');
    assert.equal(await answer(), 'one hi');
    assert.equal((await history()).length, 3);
  });

  it('accepts a redelivery of the reverted push and does nothing, under the old id or a new one', async () => {
    const pushes = await product.api<PushRecord[]>('GET', apiPaths.pushes('demo'));
    const second = pushes.find((record) => record.deploys.some((deploy) => deploy.number === 2));
    assert.ok(second);
    for (const id of [second.id, 'a-new-delivery-id']) {
      const answer = await deliver(product, { ...pushEvent(product, second), id });
      assert.equal(answer.status, 202, answer.body);
    }
    await push(
      source,
      'Unrelated',
      { 'README.md': 'a later push on the same lane' },
      'HEAD:refs/heads/other',
    );

    assert.equal(await answer(), 'one hi');
    assert.equal((await history()).length, 3);
  });

  it('goes forward again when the revert is reverted', async () => {
    await gitOps.git('revert', '--no-edit', 'HEAD');
    await gitOps.git('push', '-q', 'origin', 'HEAD:main');

    await answers('two hey');
    const [newest] = await history();
    assert.equal(newest?.kind, 'revert');
    assert.equal(newest?.restores, 2);
  });

  it('rolls back by the API that the dashboard and the CLI use, with the reason in git', async () => {
    const entries = await history();
    const first = entries.find((entry) => entry.number === 1);
    assert.ok(first && entries[0]);
    const body = {
      toCommit: first.commit,
      reason: '500s on /pay\nTowline-Actor: mallory',
      expectedCommit: entries[0].commit,
    };
    const result = await product.api<RevertResult>('POST', apiPaths.revert('demo', 'hello'), body);

    await answers('one hi');
    assert.equal(result.number, 5);
    const [newest] = await history();
    assert.equal(newest?.kind, 'revert');
    assert.equal(newest?.direct, false);
    assert.equal(newest?.restores, 1);
    assert.match(newest?.reason ?? '', /^500s on \/pay/);
    assert.match(newest?.actor ?? '', /demo/);
  });

  it('refuses a revert decided on a state that is no longer current', async () => {
    const entries = await history();
    const second = entries.find((entry) => entry.number === 2);
    assert.ok(second);
    const result = await product.request(apiPaths.revert('demo', 'hello'), {
      method: 'POST',
      headers: { authorization: `Bearer ${product.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ toCommit: second.commit, reason: '', expectedCommit: second.commit }),
    });

    assert.equal(result.status, 409, result.body);
    assert.equal(await answer(), 'one hi');
  });

  it('deploys a new push after all of that', async () => {
    await push(source, 'Three', { 'hello/handler.js': handler('three') });

    assert.equal(await answer(), 'three hey');
    assert.equal((await history())[0]?.number, 6);
  });
});
