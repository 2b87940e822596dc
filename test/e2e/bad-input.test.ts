import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { FunctionSummary } from '../../core/api.ts';
import type { DeployRecord, PushRecord } from '../../core/deploy.ts';
import { apiPaths } from '../../core/paths.ts';
import { Clone, type Files, nodeHandler, nodeStack, push, sourceRepository } from './git-client.ts';
import { eventually, Product } from './product.ts';

interface BadCase {
  title: string;
  files: Files;
  /** What the pusher's terminal must say. */
  says: RegExp[];
  code: DeployRecord['cause'] extends infer C ? (C extends { code: infer E } ? E : never) : never;
  place?: { file: string; line: number };
}

const stackWith = (name: string, lines: string[]) =>
  `version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n  ${name}:\n${lines.map((line) => `    ${line}\n`).join('')}`;
const good = ['lang: node', 'handler: ./hello'];

const cases: BadCase[] = [
  { title: 'no stack.yml', files: { 'stack.yml': null }, says: [/stack\.yml/], code: 'stack_missing' },
  {
    title: 'invalid YAML',
    files: { 'stack.yml': 'version: 1.0\nfunctions:\n  hello:\n   lang: [node\n' },
    says: [/stack\.yml:\d+/],
    code: 'stack_invalid',
  },
  {
    title: 'a wrong type',
    files: { 'stack.yml': stackWith('hello', [...good, 'environment: nope']) },
    says: [/stack\.yml:8/],
    code: 'stack_invalid',
    place: { file: 'stack.yml', line: 8 },
  },
  {
    title: 'an unknown language',
    files: { 'stack.yml': stackWith('hello', ['lang: cobol', 'handler: ./hello']) },
    says: [/stack\.yml:6/, /cobol/, /node/],
    code: 'language_unknown',
    place: { file: 'stack.yml', line: 6 },
  },
  {
    title: 'a handler that is missing',
    files: { 'stack.yml': stackWith('hello', ['lang: node', 'handler: ./absent']) },
    says: [/stack\.yml:7/, /absent/],
    code: 'handler_missing',
    place: { file: 'stack.yml', line: 7 },
  },
  {
    title: 'a handler outside the repository',
    files: { 'stack.yml': stackWith('hello', ['lang: node', 'handler: ../../../../etc']) },
    says: [/stack\.yml:7/, /outside|leaves|leads out/],
    code: 'path_escapes',
    place: { file: 'stack.yml', line: 7 },
  },
  {
    title: 'a label that commands the GitOps engine',
    files: {
      'stack.yml': stackWith('hello', [
        ...good,
        'labels:',
        '  team: blue',
        '  kustomize.toolkit.fluxcd.io/prune: disabled',
      ]),
    },
    says: [/stack\.yml:10:7: label "kustomize\.toolkit\.fluxcd\.io\/prune" is (?:refused|not allowed)/],
    code: 'manifest_refused',
    place: { file: 'stack.yml', line: 10 },
  },
  {
    title: 'an access that means nothing',
    files: {
      'stack.yml': stackWith('hello', [...good, 'annotations:', '  towline.dev/access: everybody']),
    },
    says: [/stack\.yml:9:7: annotation "towline\.dev\/access" is public, members or owner/],
    code: 'manifest_refused',
    place: { file: 'stack.yml', line: 9 },
  },
  {
    title: 'a symlink that leads outside',
    files: { 'hello/passwd': { link: '/etc/passwd' } },
    says: [/passwd/],
    code: 'path_escapes',
  },
  {
    title: 'a copy path that leads outside',
    files: { 'stack.yml': `${nodeStack('hello')}configuration:\n  copy:\n    - ../secrets\n` },
    says: [/stack\.yml:10/, /\.\.\/secrets/],
    code: 'path_escapes',
  },
  {
    title: 'a failing build',
    files: {
      'hello/package.json': JSON.stringify({
        name: 'hello',
        scripts: { test: 'node -e "console.error(\'expected 3, got 4\'); process.exit(7)"' },
      }),
    },
    says: [/expected 3, got 4/, /exit code 7|exited with 7|code 7/],
    code: 'build_failed',
  },
  {
    title: 'a function that never gets healthy',
    files: { 'hello/handler.js': "throw new Error('no database here');\n" },
    says: [/no database here/],
    code: 'unhealthy',
  },
];

const badNames = [
  'Hello',
  'he.llo',
  '..',
  'x'.repeat(80),
  'kustomization',
  'tenant',
  'pushes',
  '-a',
  'a_b',
  'a/b',
  '__proto__',
];

/** Every running process with this argument, as /proc shows it. */
function processesWith(marker: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(marker);
      } catch {
        return false;
      }
    });
}

describe('use 5: bad input is answered clearly and disturbs nothing', () => {
  let product: Product;
  let clone: Clone;
  const repaired: Files = {
    'stack.yml': nodeStack('hello'),
    'hello/handler.js': nodeHandler('good'),
    'hello/passwd': null,
    'hello/package.json': null,
  };
  const served = async () => (await product.call('demo', '/hello')).body;
  const newestPush = async () =>
    (await product.api<PushRecord[]>('GET', apiPaths.pushes('demo', { limit: 1 })))[0];
  before(async () => {
    product = await Product.start({
      env: {
        TOWLINE_READY_TIMEOUT_MS: '3000',
        TOWLINE_BUILD_TIMEOUT_MS: '3000',
        TOWLINE_MAX_LOG_BYTES: '1000000',
      },
    });
    clone = await sourceRepository(product, 'demo', 'app');
    await push(clone, 'Good', repaired);
    using neighbour = await sourceRepository(product, 'demo', 'next-door');
    await push(neighbour, 'Neighbour', {
      'stack.yml': nodeStack('neighbour'),
      'neighbour/handler.js': nodeHandler('undisturbed'),
    });
  });
  after(async () => {
    clone?.[Symbol.dispose]();
    await product?.[Symbol.asyncDispose]();
  });

  for (const { title, files, says, code, place } of cases) {
    it(`${title}: the terminal and the API say it, the old version and its neighbour serve`, async () => {
      const { terminal } = await push(clone, title, { ...repaired, ...files });

      for (const pattern of says) assert.match(terminal, pattern);
      assert.ok(!terminal.includes('==> hello is live'), terminal);
      const record = (await newestPush())?.deploys.find((deploy) => deploy.state === 'failed');
      assert.equal(record?.cause?.code, code, JSON.stringify(record));
      if (place)
        assert.deepEqual({ file: record?.cause?.place?.file, line: record?.cause?.place?.line }, place);
      assert.equal(await served(), 'good');
      assert.equal((await product.call('demo', '/neighbour')).body, 'undisturbed');
    });
  }

  for (const name of badNames) {
    it(`the function name ${JSON.stringify(name.slice(0, 20))} is refused`, async () => {
      const stack = stackWith(JSON.stringify(name), good);
      const { terminal } = await push(clone, `Name ${name}`, { ...repaired, 'stack.yml': stack });

      assert.match(terminal, /stack\.yml:5/);
      const record = (await newestPush())?.deploys[0];
      assert.equal(record?.state, 'failed');
      assert.equal(record?.cause?.code, 'name_invalid');
    });
  }

  it('a name that was refused is gone from the list with the next push', async () => {
    const names = async () =>
      (await product.api<FunctionSummary[]>('GET', apiPaths.functions('demo'))).map(
        (row) => row.functionName,
      );
    await push(clone, 'Capital', { ...repaired, 'stack.yml': stackWith('Capital', good) });
    assert.ok((await names()).includes('Capital'));
    await push(clone, 'Small', repaired);

    assert.deepEqual(await names(), ['hello', 'neighbour']);
  });

  it('a build that never ends is ended, with its whole process tree', async () => {
    const marker = `marker-${randomUUID()}`;
    const child = `require('child_process').spawn(process.execPath,['-e','setInterval(()=>{},1000)','${marker}'],{stdio:'ignore'})`;
    const script = `node -e "${child};console.log('has a child');setInterval(()=>{},1000)" ${marker}`;
    const { terminal } = await push(clone, 'Endless', {
      ...repaired,
      'hello/package.json': JSON.stringify({ name: 'hello', scripts: { test: script } }),
    });

    assert.match(terminal, /3 s|3000|took longer|time/);
    assert.match(terminal, /has a child/);
    assert.equal((await newestPush())?.deploys[0]?.cause?.code, 'build_timeout');
    await eventually('the build to leave no process', async () => processesWith(marker).length === 0);
  });

  it('a log of 5 MB is cut, and says so', async () => {
    const script = "node -e \"for(let i=0;i<50000;i++)console.log('line '+i+' '+'x'.repeat(90))\"";
    const { terminal } = await push(clone, 'Chatty', {
      ...repaired,
      'hello/package.json': JSON.stringify({ name: 'hello', scripts: { test: script } }),
    });

    assert.match(terminal, /==> hello is live/);
    assert.ok(terminal.length < 200_000, `the terminal got ${terminal.length} characters`);
    const record = await newestPush();
    const log = await product.request(apiPaths.logText(record?.id ?? ''), {
      headers: { authorization: `Bearer ${product.token}` },
    });
    assert.ok(log.body.length < 3_000_000, `the log has ${log.body.length} characters`);
    assert.match(log.body, /cut/);
  });

  it('a branch that is not deployed, a tag and a branch deletion are recorded with the reason', async () => {
    await clone.commit('On a branch', { ...repaired, 'hello/handler.js': nodeHandler('from a branch') });
    const branch = await clone.try(['push', 'origin', 'HEAD:refs/heads/feature/x']);
    const tag = await clone.try(['push', 'origin', 'HEAD:refs/tags/v1']);
    const deletion = await clone.try(['push', 'origin', ':refs/heads/feature/x']);

    for (const result of [branch, tag, deletion]) assert.equal(result.exitCode, 0, result.stderr);
    assert.match(branch.stderr, /feature\/x/);
    assert.match(tag.stderr, /tag/);
    assert.match(deletion.stderr, /delet/);
    const pushes = await product.api<PushRecord[]>('GET', apiPaths.pushes('demo', { limit: 3 }));
    assert.ok(
      pushes.every((record) => record.note && record.deploys.every((deploy) => deploy.state === 'skipped')),
      JSON.stringify(pushes),
    );
    assert.notEqual(await served(), 'from a branch');
  });

  it('a second repository of the owner cannot take the name of a function', async () => {
    await push(clone, 'Good again', repaired);
    using second = await sourceRepository(product, 'demo', 'copycat');
    const { terminal } = await push(second, 'Copy', {
      'stack.yml': nodeStack('hello'),
      'hello/handler.js': nodeHandler('stolen'),
    });

    assert.match(terminal, /app/);
    assert.equal((await newestPush())?.deploys[0]?.cause?.code, 'name_taken');
    assert.equal(await served(), 'good');
  });

  it('owners a + b-c and a-b + c cannot share an object, and the second is not told who has it', async () => {
    const tokenA = await product.createOwner('a');
    const tokenAb = await product.createOwner('a-b');
    using first = await sourceRepository(product, 'a', 'one', tokenA);
    using second = await sourceRepository(product, 'a-b', 'two', tokenAb);
    await push(first, 'First', { 'stack.yml': nodeStack('b-c'), 'b-c/handler.js': nodeHandler('of a') });
    const { terminal } = await push(second, 'Second', {
      'stack.yml': nodeStack('c'),
      'c/handler.js': nodeHandler('of a-b'),
    });

    assert.ok(!terminal.includes('==> c is live'), terminal);
    assert.ok(!/\ba\/one\b|owner a\b/.test(terminal), terminal);
    assert.equal((await product.call('a', '/b-c')).body, 'of a');
    assert.notEqual((await product.call('a-b', '/c')).status, 200);
  });

  it("an owner's token opens nothing of another owner", async () => {
    const tokenAl = await product.createOwner('al');
    const tokenAlex = await product.createOwner('alex');
    using alex = await sourceRepository(product, 'alex', 'app', tokenAlex);
    await push(alex, 'Mine', { 'stack.yml': nodeStack('mine'), 'mine/handler.js': nodeHandler('mine') });
    const pushId = (await product.api<PushRecord[]>('GET', apiPaths.pushes('alex')))[0]?.id ?? '';
    const paths = [
      apiPaths.functions('alex'),
      apiPaths.function('alex', 'mine'),
      apiPaths.history('alex', 'mine'),
      apiPaths.pushes('alex'),
      apiPaths.push(pushId),
      apiPaths.log(pushId),
      apiPaths.logText(pushId),
      apiPaths.repos('alex'),
    ];
    const statuses = await Promise.all(
      paths.map(
        async (path) =>
          (await product.request(path, { headers: { authorization: `Bearer ${tokenAl}` } })).status,
      ),
    );
    using thief = new Clone(tokenAl);
    const cloned = await thief.try(['clone', '-q', `${product.ready.origin}/git/alex/app.git`, '.']);
    const gitOps = await thief.try(['clone', '-q', `${product.ready.origin}/git/gitops.git`, '.']);

    assert.deepEqual(
      statuses,
      paths.map(() => 404),
    );
    assert.notEqual(cloned.exitCode, 0);
    assert.notEqual(gitOps.exitCode, 0);
  });
});
