import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { access, chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { zeroSha } from '../../core/names.ts';
import { createTestbed, deployOf, type Testbed, tokenFor } from './testbed.ts';

const isDefault = ({ defaultBranch }: { defaultBranch: string }, branch: string) => branch === defaultBranch;

const path = process.env['PATH'] ?? '';

function stderrOf(result: { stderr: string }): string {
  return result.stderr.replaceAll('\u001b[K', '');
}

/** A plain HTTP request whose path is sent exactly as given. */
function raw(
  bed: Testbed,
  options: { path: string; method?: string; headers?: Record<string, string>; as?: string },
  body?: Uint8Array,
): Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }> {
  const { port } = new URL(bed.origin);
  const headers: Record<string, string> = { ...options.headers };
  if (options.as) headers['authorization'] = `Bearer ${tokenFor(options.as)}`;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, path: options.path, method: options.method ?? 'GET', headers, agent: false },
      async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      },
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

const pkt = (text: string) => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`;

describe('the git host', { timeout: 120_000 }, () => {
  let bed: Testbed;
  before(async () => {
    bed = await createTestbed(path);
  });
  after(() => bed[Symbol.asyncDispose]());

  async function head(cwd: string): Promise<string> {
    return (await bed.git(['rev-parse', 'HEAD'], { cwd })).stdout.toString().trim();
  }

  async function push(repository: string, as: string, cwd?: string, refs: string[] = ['main']) {
    const from = cwd ?? (await bed.workTree());
    return { cwd: from, result: await bed.git(['push', bed.url(repository), ...refs], { as, cwd: from }) };
  }

  it('makes a repository on the first push, tells the builder, and shows the deploy until it is live', async () => {
    const { cwd, result } = await push('alice/first.git', 'alice');

    const event = bed.webhook.pushEvents.at(-1);
    assert.equal(result.exitCode, 0, stderrOf(result));
    assert.equal(event?.after, await head(cwd));
    assert.equal(event?.before, zeroSha);
    assert.equal(event?.ref, 'refs/heads/main');
    assert.equal(event?.repository.id, 'local:alice/first');
    assert.equal(event?.repository.ownerId, 'id-alice');
    assert.equal(event?.repository.defaultBranch, 'main');
    assert.equal(event?.repository.cloneUrl, bed.url('alice/first.git'));
    assert.deepEqual(event?.actor, { name: 'alice Person', email: 'alice@example.com', login: 'alice' });
    assert.equal(bed.webhook.forged, 0);
    assert.match(stderrOf(result), /remote: Stored\. Ctrl\+C .*does not cancel the deploy/);
    assert.match(stderrOf(result), /remote: ==> hello is live: http:\/\/alice\.localhost\/hello \(1\.8 s\)/);
  });

  it('serves a clone with protocol version 2, and any commit by its id', async () => {
    const { cwd } = await push('alice/cloned.git', 'alice');
    const old = await head(cwd);
    await bed.git(['commit', '--amend', '-m', 'Replaced'], { cwd });
    await push('alice/cloned.git', 'alice', cwd, ['+main']);

    const clone = await bed.git(['clone', bed.url('alice/cloned.git'), 'a-clone'], {
      as: 'alice',
      env: { GIT_TRACE_PACKET: '1' },
    });
    const fetch = await bed.git(['fetch', bed.url('alice/cloned.git'), old], {
      as: 'alice',
      cwd: join(bed.dir, 'a-clone'),
    });

    assert.match(clone.stderr, /version 2/);
    assert.equal(await head(join(bed.dir, 'a-clone')), await head(cwd));
    assert.equal(fetch.exitCode, 0, stderrOf(fetch));
  });

  it('takes a short URL as the token owner’s repository', async () => {
    const { result } = await push('short.git', 'bob');

    assert.equal(result.exitCode, 0, stderrOf(result));
    assert.equal(bed.webhook.pushEvents.at(-1)?.repository.owner, 'bob');
    assert.equal(await bed.host.isSourceRepository('bob', 'short'), true);
  });

  it('says how to log in to whoever brings no token or a wrong one', async () => {
    const url = '/git/alice/first.git/info/refs?service=git-upload-pack';

    const anonymous = await raw(bed, { path: url });
    const wrong = await raw(bed, { path: url, headers: { authorization: 'Bearer nonsense' } });
    const garbled = await raw(bed, { path: url, headers: { authorization: 'Basic %%%' } });
    const client = await bed.git(['ls-remote', bed.url('alice/first.git')]);

    assert.deepEqual([anonymous.status, wrong.status, garbled.status], [401, 401, 401]);
    assert.match(String(anonymous.headers['www-authenticate']), /^Basic realm="Towline"/);
    assert.match(anonymous.body.toString(), /API token as the password/);
    assert.notEqual(client.exitCode, 0);
  });

  it('answers the same for another owner’s repository and for one that does not exist', async () => {
    await push('alice/private.git', 'alice');
    const service = 'info/refs?service=git-upload-pack';
    const shown = (name: string) => raw(bed, { path: `/git/alice/${name}.git/${service}`, as: 'bob' });

    const existing = await shown('private');
    const missing = await shown('nothing');
    const unknownOwner = await raw(bed, { path: `/git/nobody/private.git/${service}`, as: 'bob' });
    const { result } = await push('alice/private.git', 'bob');

    assert.deepEqual([existing.status, missing.status, unknownOwner.status], [404, 404, 404]);
    assert.equal(
      existing.body.toString().replace('private', ''),
      missing.body.toString().replace('nothing', ''),
    );
    assert.notEqual(result.exitCode, 0);
  });

  it('lets an operator read and push what belongs to others, under the operator’s own name', async () => {
    const { cwd } = await push('bob/watched.git', 'bob');
    await bed.git(['commit', '--allow-empty', '-m', 'By the operator'], { cwd });

    const { result } = await push('bob/watched.git', 'demo', cwd);

    assert.equal(result.exitCode, 0, stderrOf(result));
    assert.equal(bed.webhook.pushEvents.at(-1)?.actor.login, 'demo');
    assert.equal(bed.webhook.pushEvents.at(-1)?.repository.ownerId, 'id-bob');
  });

  it('does not make a repository for a clone, nor for a push that never comes', async () => {
    const clone = await bed.git(['clone', bed.url('alice/ghost.git')], { as: 'alice' });
    const cwd = await bed.workTree();
    const dry = await bed.git(['push', '--dry-run', bed.url('alice/ghost.git'), 'main'], {
      as: 'alice',
      cwd,
    });

    assert.match(clone.stderr, /no repository alice\/ghost yet/);
    assert.equal(dry.exitCode, 0, stderrOf(dry));
    assert.equal(await bed.host.isSourceRepository('alice', 'ghost'), false);
  });

  for (const target of [
    '/git/alice/first.git/HEAD',
    '/git/alice/first.git/info/refs',
    '/git/alice/first.git/info/refs?service=git-upload-archive',
    '/git/alice/first.git/info/refs?service=git-upload-pack&x=1',
    '/git/alice/first.git/objects/info/packs',
    '/git/alice/first.git/config',
    '/git/alice/../alice/first.git/info/refs?service=git-upload-pack',
    '/git/alice/%2e%2e/gitops.git/info/refs?service=git-upload-pack',
    '/git/alice/%66irst.git/info/refs?service=git-upload-pack',
    '/git//first.git/info/refs?service=git-upload-pack',
    '/git/alice/...git/info/refs?service=git-upload-pack',
    '/git/.deleted/first.git/info/refs?service=git-upload-pack',
    '/git/alice/.new.git/info/refs?service=git-upload-pack',
    '/git/.empty.git/info/refs?service=git-upload-pack',
    '/git/alice\\first.git/info/refs?service=git-upload-pack',
    '/git/Alice/first.git/info/refs?service=git-upload-pack',
    '/git/alice/first/info/refs?service=git-upload-pack',
    '/other/alice/first.git/info/refs?service=git-upload-pack',
  ]) {
    it(`answers 404 for ${target}`, async () => {
      const response = await raw(bed, { path: target, as: 'alice' });

      assert.equal(response.status, 404);
    });
  }

  it('refuses other methods and other content types', async () => {
    const service = '/git/alice/first.git/git-upload-pack';

    const get = await raw(bed, { path: service, as: 'alice' });
    const form = await raw(bed, {
      path: service,
      method: 'POST',
      as: 'alice',
      headers: { 'content-type': 'text/plain' },
    });

    assert.deepEqual([get.status, form.status], [405, 415]);
  });

  it('takes a compressed, chunked request', async () => {
    const { cwd } = await push('alice/zipped.git', 'alice');
    const body = [pkt('command=fetch'), '0001', pkt(`want ${await head(cwd)}\n`), pkt('done\n'), '0000'].join(
      '',
    );

    const response = await raw(
      bed,
      {
        path: '/git/alice/zipped.git/git-upload-pack',
        method: 'POST',
        as: 'alice',
        headers: {
          'content-type': 'application/x-git-upload-pack-request',
          'content-encoding': 'gzip',
          'transfer-encoding': 'chunked',
          'git-protocol': 'version=2',
        },
      },
      gzipSync(body),
    );

    assert.equal(response.status, 200);
    assert.match(response.body.toString('latin1'), /packfile\n.*PACK/s);
  });

  it('carries a push of 20 MB and gives it back', async () => {
    const noise = randomBytes(20_000_000);
    const cwd = await bed.workTree(undefined, { 'noise.bin': noise });

    const { result } = await push('alice/large.git', 'alice', cwd);
    const clone = await bed.git(['clone', '--quiet', bed.url('alice/large.git'), 'large'], { as: 'alice' });

    assert.equal(result.exitCode, 0, stderrOf(result));
    assert.equal(clone.exitCode, 0, stderrOf(clone));
    assert.equal(await head(join(bed.dir, 'large')), await head(cwd));
  });

  it('sends one event per ref of a push, the default branch first, and shows why others are not deployed', async () => {
    bed.builds.script = ({ event, done }) =>
      event.ref === 'refs/heads/main'
        ? done({ deploys: [deployOf(event, {})] })
        : done({ note: `${event.ref} is not deployed` });
    const cwd = await bed.workTree();
    await bed.git(['branch', 'feature'], { cwd });
    await bed.git(['tag', 'v1'], { cwd });
    const earlier = bed.webhook.events.length;

    const { result } = await push('alice/several.git', 'alice', cwd, ['v1', 'feature', 'main']);

    const refs = bed.webhook.pushEvents.slice(earlier).map((event) => event.ref);
    assert.deepEqual(refs, ['refs/heads/main', 'refs/heads/feature', 'refs/tags/v1']);
    assert.match(stderrOf(result), /==> hello is live/);
    assert.match(stderrOf(result), /==> refs\/heads\/feature is not deployed/);
    assert.match(stderrOf(result), /==> refs\/tags\/v1 is not deployed/);
  });

  it('sends the deletion of a branch, and refuses to delete the default branch', async () => {
    const cwd = await bed.workTree();
    await bed.git(['branch', 'old'], { cwd });
    await push('alice/pruned.git', 'alice', cwd, ['main', 'old']);

    const { result } = await push('alice/pruned.git', 'alice', cwd, [':old']);
    const refused = await push('alice/pruned.git', 'alice', cwd, [':main']);

    assert.equal(result.exitCode, 0, stderrOf(result));
    assert.equal(bed.webhook.pushEvents.at(-1)?.ref, 'refs/heads/old');
    assert.equal(bed.webhook.pushEvents.at(-1)?.after, zeroSha);
    assert.notEqual(refused.result.exitCode, 0);
  });

  it('takes the first branch pushed as the default branch', async () => {
    const cwd = await bed.workTree();
    await bed.git(['branch', '-m', 'trunk'], { cwd });

    await push('alice/trunk.git', 'alice', cwd, ['trunk']);

    assert.equal(bed.webhook.pushEvents.at(-1)?.repository.defaultBranch, 'trunk');
    const listed = (await bed.host.list('alice')).find((repository) => repository.name === 'trunk');
    assert.equal(listed?.defaultBranch, 'trunk');
  });

  it('never runs a hook that lies in a repository', async () => {
    const { cwd } = await push('alice/hooked.git', 'alice');
    const hooks = join(bed.dir, 'repos', 'alice', 'hooked.git', 'hooks');
    const trace = join(bed.dir, 'trace');
    await mkdir(hooks, { recursive: true });
    for (const name of ['pre-receive', 'update', 'post-receive', 'post-update']) {
      await writeFile(join(hooks, name), `#!/bin/sh\necho ran >> '${trace}'\n`);
      await chmod(join(hooks, name), 0o755);
    }
    await bed.git(['commit', '--allow-empty', '-m', 'Again'], { cwd });

    const { result } = await push('alice/hooked.git', 'alice', cwd);

    assert.equal(result.exitCode, 0, stderrOf(result));
    await assert.rejects(access(trace));
  });

  it('gives the builder paths and heads of what it hosts, and nothing else', async () => {
    const { cwd } = await push('alice/built.git', 'alice');
    const { repository } = bed.webhook.pushEvents.at(-1)!;

    const location = await bed.host.sourceAccess.locate(repository);
    const target = join(bed.dir, 'fetched');
    await bed.git(['init', '--quiet', target]);
    const fetched = await bed.git(['fetch', '--depth=1', location.url, await head(cwd)], {
      cwd: target,
      env: location.env,
    });
    const heads = [];
    for await (const entry of bed.host.sourceAccess.heads(isDefault)) heads.push(entry);

    assert.equal(fetched.exitCode, 0, stderrOf(fetched));
    const found = heads.find((entry) => entry.repository.id === 'local:alice/built');
    const actor = { name: 'alice Person', email: 'alice@example.com', login: 'alice' };
    assert.deepEqual(found, { repository, branch: 'main', head: await head(cwd), actor });
    for (const foreign of [
      { ...repository, name: 'missing', id: 'local:alice/missing' },
      { ...repository, ownerId: 'id-bob' },
      { ...repository, id: 'github:1' },
      { ...repository, name: '../../gitops', id: 'local:alice/../../gitops' },
    ]) {
      await assert.rejects(bed.host.sourceAccess.locate(foreign), { code: 'source_unavailable' });
    }
  });

  it('makes no more repositories than an owner may have, and says so before the upload', async () => {
    await using small = await createTestbed(path, { maxRepositoriesPerOwner: 1 });
    const cwd = await small.workTree();
    const to = (name: string, as: string) =>
      small.git(['push', small.url(`${as}/${name}.git`), 'main'], { as, cwd });

    const results = [];
    for (const name of ['first', 'second', 'first']) results.push(await to(name, 'alice'));
    const others = await to('second', 'bob');

    assert.deepEqual(
      [...results, others].map((result) => result.exitCode === 0),
      [true, false, true, true],
    );
    assert.match(
      results[1]?.stderr ?? '',
      /alice has as many repositories as an owner may have \(1\), so second was not made/,
    );
    assert.match(results[1]?.stderr ?? '', /Delete one/);
    assert.equal((await small.host.list('alice')).length, 1);
  });

  it('refuses a pack over the limit and keeps nothing of it', async () => {
    await using small = await createTestbed(path, { maxPackBytes: 100_000 });
    const cwd = await small.workTree(undefined, { 'noise.bin': randomBytes(300_000) });

    const result = await small.git(['push', small.url('alice/fat.git'), 'main'], { as: 'alice', cwd });

    assert.notEqual(result.exitCode, 0);
    assert.match(result.stderr, /exceeds maximum allowed size/);
    assert.deepEqual(small.webhook.events, []);
    const objects = await readdir(join(small.dir, 'repos/alice/fat.git/objects'));
    assert.deepEqual(
      objects.filter((name) => /^(?:[0-9a-f]{2}|tmp_|incoming)/.test(name)),
      [],
    );
  });
});
