import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  type Claims,
  gitHubClaims,
  type IssuerFixture,
  startIssuer,
} from '../../auth/workloads/issuer-fixture.ts';
import { isEnd, type PushRecord } from '../../core/deploy.ts';
import type { AnnouncementAccepted } from '../../core/images.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { runProcess } from '../../runtime/run-process.ts';
import { startDockerd, type TestDockerd } from '../containers/dockerd.ts';
import { registryAccount, startRegistry, type TestRegistry } from '../containers/registry.ts';
import { shellServer } from '../containers/shell-server.ts';
import { type Clone, push, sourceRepository } from '../e2e/git-client.ts';
import { eventually, Product, packageDir } from '../e2e/product.ts';

const audience = 'https://towline.test';

const stack = `version: 1.0
provider:
  name: openfaas
functions:
  shop:
    lang: dockerfile
    handler: ./shop
    environment:
      COLOUR: green
`;

describe('images that another CI has built', () => {
  let daemon: TestDockerd;
  let registry: TestRegistry;
  let issuer: IssuerFixture;
  let product: Product;
  let clone: Clone;
  let base: string;
  const dir = mkdtempSync(join(tmpdir(), 'towline-own-ci-'));
  const images = join(dir, 'images');

  before(async () => {
    daemon = await startDockerd();
    registry = await startRegistry({ auth: 'htpasswd', dataDir: images });
    issuer = await startIssuer();
    base = await daemon.load('shell');
    const dataDir = join(dir, 'data');
    mkdirSync(join(dataDir, 'registries'), { recursive: true, mode: 0o700 });
    const auth = Buffer.from(`${registryAccount.username}:${registryAccount.password}`).toString('base64');
    const config = { auths: { [registry.host]: { auth } } };
    writeFileSync(join(dataDir, 'registries', 'config.json'), JSON.stringify(config), { mode: 0o600 });
    product = await Product.start({
      dataDir,
      env: {
        PATH: daemon.env['PATH'] ?? '',
        DOCKER_HOST: daemon.host,
        TOWLINE_ENGINE: 'docker',
        TOWLINE_READY_TIMEOUT_MS: '30000',
        TOWLINE_REGISTRIES: `${registry.host}/team`,
        TOWLINE_CI_ISSUERS: `github=${issuer.issuer}`,
        TOWLINE_CI_AUDIENCE: audience,
      },
    });
    clone = await sourceRepository(product, 'demo', 'shop-deployment', product.token);
  });
  after(async () => {
    clone?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
    for (const each of [issuer, registry, daemon]) await each?.[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Builds and pushes with programs that know nothing of the platform; gives the digest. */
  async function release(version: string, tag: string): Promise<string> {
    const context = mkdtempSync(join(dir, 'context-'));
    writeFileSync(join(context, 'serve.sh'), `${shellServer(version)}\n`);
    writeFileSync(
      join(context, 'Dockerfile'),
      `FROM ${base}\nCOPY serve.sh /serve.sh\nCMD ["sh", "/serve.sh"]\n`,
    );
    await daemon.docker(['build', '--quiet', '--tag', `ci:${version}`, context]);
    const archive = join(context, 'image.tar');
    await daemon.docker(['save', '--output', archive, `ci:${version}`]);
    await daemon.docker(['rmi', `ci:${version}`]);
    const digestFile = join(context, 'digest');
    const login = `${registryAccount.username}:${registryAccount.password}`;
    const target = `docker://${registry.host}/team/shop:${tag}`;
    const flags = ['--quiet', '--insecure-policy', '--dest-tls-verify=false', '--dest-creds', login];
    const done = await runProcess({
      command: 'skopeo',
      args: ['copy', ...flags, '--digestfile', digestFile, `docker-archive:${archive}`, target],
      env: { PATH: daemon.env['PATH'] ?? '', HOME: dir },
      timeoutMs: 120_000,
    });
    assert.equal(done.exitCode, 0, done.stderr);
    return readFileSync(digestFile, 'utf8').trim();
  }

  const from = (image: string) => ({ 'shop/Dockerfile': `# made by CI\nFROM ${registry.host}/${image}\n` });
  const says = (name: string, version: string) =>
    eventually(
      `${name} says ${version}`,
      async () => (await product.call('demo', `/${name}`)).body === version,
      40_000,
    );
  const history = (name: string) =>
    product.api<HistoryEntry[]>('GET', apiPaths.history('demo', name, { limit: 20 }));

  it('are deployed by a Dockerfile of one line, without a build', async () => {
    const digest = await release('one', '1');
    const { terminal } = await push(clone, 'Begin', { 'stack.yml': stack, ...from('team/shop:1') });
    assert.match(terminal, /shop: no build: 127\.0\.0\.1:\d+\/team\/shop:1@sha256:/);
    await says('shop', 'one');
    const [entry] = await history('shop');
    assert.equal(entry?.image, `${registry.host}/team/shop:1@${digest}`);
    assert.equal(entry?.sourceCommit, await clone.git('rev-parse', 'HEAD'));
  });

  it('are deployed again when the tag has moved, and when the line changes', async () => {
    const moved = await release('two', '1');
    await push(clone, 'Release', { 'README.md': 'again' });
    await says('shop', 'two');
    assert.equal((await history('shop'))[0]?.image, `${registry.host}/team/shop:1@${moved}`);
    await release('three', '3');
    await push(clone, 'Release three', from('team/shop:3'));
    await says('shop', 'three');
    assert.equal((await history('shop')).length, 3);
  });

  it('go back with a revert', async () => {
    const [, earlier] = await history('shop');
    assert.ok(earlier);
    await product.api('POST', apiPaths.revert('demo', 'shop'), { toCommit: earlier.commit });
    await says('shop', 'two');
  });

  it('that are missing or forbidden fail at the line that names them, and the old one serves', async () => {
    const cases: [string, RegExp][] = [
      [
        `FROM ${registry.host}/team/shop:gone`,
        /shop\/Dockerfile:2:1: there is no image 127\.0\.0\.1:\d+\/team\/shop:gone/,
      ],
      [
        `FROM ${registry.host}/other/shop:1`,
        /shop\/Dockerfile:2:1: images of 127\.0\.0\.1:\d+\/other\/shop are not allowed/,
      ],
    ];
    for (const [line, expected] of cases) {
      const { terminal } = await push(clone, 'Break it', { 'shop/Dockerfile': `# made by CI\n${line}\n` });
      assert.match(terminal, expected);
      await says('shop', 'two');
    }
    const skipping = stack.replace(
      '    lang: dockerfile\n',
      '    lang: dockerfile\n    skip_build: true\n    image: IMAGE\n',
    );
    const mended = skipping.replace('IMAGE', `${registry.host}/team/shop:3`);
    await push(clone, 'Skip the build', { 'stack.yml': mended, 'shop/Dockerfile': null, 'shop/x': 'x' });
    await says('shop', 'three');
  });

  async function towline(...args: string[]): Promise<string> {
    const done = await runProcess({
      command: process.execPath,
      args: [join(packageDir, 'ui/cli/towline.js'), ...args],
      env: {
        PATH: process.env['PATH'] ?? '',
        TOWLINE_URL: product.ready.origin,
        TOWLINE_TOKEN: product.token,
      },
      timeoutMs: 30_000,
    });
    assert.equal(done.exitCode, 0, done.stderr);
    return done.stdout.toString('utf8');
  }

  const job = (more: Claims = {}) => issuer.sign(gitHubClaims(issuer.issuer, audience, more));
  async function announce(digest: string, more: Claims, sent: object = {}): Promise<PushRecord> {
    const token = await job(more);
    const body = { owner: 'demo', function: 'cart', image: `${registry.host}/team/shop@${digest}`, ...sent };
    const accepted = await product.api<AnnouncementAccepted>('POST', '/v1/images', body, token);
    return eventually(
      'the announcement is done',
      async () => {
        const push = await product.api<PushRecord>('GET', accepted.url, undefined, token);
        return push.state === 'done' && push.deploys.every(({ state }) => isEnd(state)) ? push : undefined;
      },
      60_000,
    );
  }

  it("are announced by a CI's own token: same commit, history, revert and order", async () => {
    const [four, five, late] = [
      await release('four', '4'),
      await release('five', '5'),
      await release('late', '4a'),
    ];
    await assert.rejects(announce(four, {}), /403/);
    assert.match(
      await towline('ci', 'add', 'github', '74', '--repository', 'acme/shop'),
      /acme\/shop \(74\)/,
    );
    const configuration = { environment: { COLOUR: 'blue' } };
    const first = await announce(
      four,
      { sha: '4'.repeat(40), run_number: '4' },
      { configuration, subject: 'Add a cart' },
    );
    assert.deepEqual(
      first.deploys.map(({ state }) => state),
      ['live'],
    );
    await says('cart', 'four');
    await announce(five, { sha: '5'.repeat(40), run_number: '6' });
    await says('cart', 'five');
    const entries = await history('cart');
    assert.deepEqual(
      entries.map(({ sourceCommit, actor, subject, number }) => [sourceCommit, actor, subject, number]),
      [
        ['5'.repeat(40), 'ann', 'deploy(demo/cart): #2 5555555', 2],
        ['4'.repeat(40), 'ann', 'deploy(demo/cart): #1 4444444 Add a cart', 1],
      ],
    );
    const { manifest } = await product.api<{ manifest: string }>('GET', apiPaths.function('demo', 'cart'));
    assert.match(manifest, /COLOUR: blue/);
    assert.match(manifest, /com\.openfaas\.git-scm: github/);

    const older = await announce(late, { sha: '3'.repeat(40), run_number: '5' });
    assert.match(older.note ?? '', /superseded by 5555555/);
    await product.api('POST', apiPaths.revert('demo', 'cart'), { toCommit: entries[1]?.commit });
    await says('cart', 'four');
    await announce(five, { sha: '5'.repeat(40), run_number: '6' });
    await says('cart', 'four');
    assert.equal((await history('cart')).length, 3);
  });

  it('are announced by a person with an API token', async () => {
    const digest = await release('hand', 'h');
    const image = `${registry.host}/team/shop@${digest}`;
    const flags = ['--repository', 'shop', '--commit', 'a'.repeat(40), '--subject', 'By hand'];
    assert.match(await towline('deploy-image', 'cart', image, ...flags), /^accepted: image-/);
    await says('cart', 'hand');
  });

  it('wait for a registry that is away', async () => {
    const digest = await release('six', '6');
    const { port } = registry;
    await registry.program.kill();
    const announcing = announce(digest, { sha: '6'.repeat(40), run_number: '7' });
    await eventually('it says that it waits', async () => {
      const [push] = await product.api<PushRecord[]>(
        'GET',
        apiPaths.pushes('demo', { repo: 'shop', limit: 1 }),
      );
      return push?.deploys[0]?.cause?.code === 'registry_unavailable';
    });
    assert.equal((await product.call('demo', '/cart')).body, 'hand');
    await using _ = await startRegistry({ auth: 'htpasswd', port, dataDir: images });
    assert.deepEqual(
      (await announcing).deploys.map(({ state }) => state),
      ['live'],
    );
    await says('cart', 'six');
  });
});
