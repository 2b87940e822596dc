import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { startAuditReceiver } from '../../runtime/audit/audit-receiver-fixture.ts';
import { type Clone, cloneGitOps, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { Product } from './product.ts';

describe('use 2: audit from git alone', () => {
  let product: Product;
  let receiver: Awaited<ReturnType<typeof startAuditReceiver>>;
  const secrets = mkdtempSync(join(tmpdir(), 'towline-audit-'));
  let source: Clone;
  let gitOps: Clone;
  let commit: string;
  before(async () => {
    receiver = await startAuditReceiver();
    const [url, secret] = [join(secrets, 'url'), join(secrets, 'secret')];
    writeFileSync(url, receiver.url);
    writeFileSync(secret, 's3');
    product = await Product.start({
      env: { TOWLINE_AUDIT_WEBHOOK_FILE: url, TOWLINE_AUDIT_SECRET_FILE: secret },
    });
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
    await receiver?.[Symbol.asyncDispose]();
    rmSync(secrets, { recursive: true });
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

  it('tells a signed receiver who deployed and who held, and who made owners and tokens', async () => {
    await product.api('POST', apiPaths.hold('demo', 'hello'), { reason: 'freeze' });
    const told = () =>
      receiver.events('s3').map(({ action, result, actor }) => `${action} ${result} ${actor}`);
    const wanted = ['create-owner done operator', 'create-token done operator', 'deploy live demo'];
    wanted.push('hold committed demo');
    while (!wanted.every((line) => told().includes(line)))
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.ok(receiver.events('s3').some((event) => event.commit === commit));
  });
});
