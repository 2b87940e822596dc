import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { type Clone, cloneGitOps, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { Product } from './product.ts';

describe('use 2: audit from git alone', () => {
  let product: Product;
  let source: Clone;
  let gitOps: Clone;
  let commit: string;
  before(async () => {
    product = await Product.start();
    source = await sourceRepository(product, 'demo', 'app');
    await push(source, 'First', { 'stack.yml': nodeStack('hello'), 'hello/handler.js': nodeHandler('one') });
    const evil = 'Fix greeting\n\nTowline-Actor: mallory\nTowline-Kind: remove';
    commit = (await push(source, evil, { 'hello/handler.js': nodeHandler('two') })).commit;
    gitOps = await cloneGitOps(product);
  });
  after(async () => {
    source?.[Symbol.dispose]();
    gitOps?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  it('has one commit per deploy, whose subject says what and whose author says who', async () => {
    const log = (await gitOps.git('log', '--format=%s|%an|%cn', '--', 'tenants/demo/hello.yaml')).split('\n');

    assert.equal(log.length, 2);
    assert.equal(log[0], `deploy(demo/hello): #2 ${commit.slice(0, 7)} Fix greeting|demo|Towline`);
  });

  it("has trailers that git's own parser reads, and that a source commit's message cannot forge", async () => {
    const message = await gitOps.git('log', '-1', '--format=%B', '--', 'tenants/demo/hello.yaml');
    gitOps.write({ '.git/message': message });
    const trailers = await gitOps.git('interpret-trailers', '--parse', '.git/message');
    const keys = trailers.split('\n').map((line) => line.split(':')[0]);
    const value = (key: string) => new RegExp(`^${key}: (.*)$`, 'm').exec(trailers)?.[1];

    assert.equal(new Set(keys).size, keys.length, 'no trailer twice');
    assert.equal(value('Towline-Kind'), 'deploy');
    assert.equal(value('Towline-Function'), 'demo/hello');
    assert.equal(value('Towline-Deploy'), '2');
    assert.equal(value('Towline-Source-Commit'), commit);
    assert.match(value('Towline-Image') ?? '', /@sha256:[0-9a-f]{64}$/);
    assert.match(value('Towline-Actor') ?? '', /demo/);
    assert.ok(!trailers.includes('mallory'));
  });

  it('has a manifest that names the artifact and the source', async () => {
    const manifest = await gitOps.git('show', 'HEAD:tenants/demo/hello.yaml');

    assert.match(manifest, /apiVersion: openfaas\.com\/v1/);
    assert.match(manifest, /image: .*@sha256:[0-9a-f]{64}/);
    assert.match(manifest, new RegExp(`com\\.openfaas\\.git-sha: "?${commit}`));
  });

  it('shows the same in the API that the dashboard reads', async () => {
    const [newest] = await product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'hello'));

    assert.equal(
      newest?.commit,
      await gitOps.git('log', '-1', '--format=%H', '--', 'tenants/demo/hello.yaml'),
    );
    assert.equal(newest?.sourceCommit, commit);
    assert.equal(newest?.author.name, 'demo');
    assert.equal(newest?.kind, 'deploy');
  });
});
