import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { FunctionSummary } from '../../core/api.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { eventually, Product, packageDir } from './product.ts';

const startFile = join(packageDir, 'local/start.js');

/** Every process whose environment names the data folder, as /proc shows it. */
function processesOf(dataDir: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid)
    .filter((pid) => {
      try {
        const inFolder = readFileSync(`/proc/${pid}/environ`, 'utf8').includes(dataDir);
        const zombie = /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
        return inFolder && !zombie;
      } catch {
        return false;
      }
    });
}

function startWith(env: Record<string, string>, args: string[] = []) {
  const result = spawnSync(process.execPath, [startFile, ...args], {
    cwd: packageDir,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    encoding: 'utf8',
    timeout: 120_000,
  });
  return { status: result.status, stdout: result.stdout, stderr: result.stderr };
}

describe('the first run', () => {
  let product: Product;
  before(async () => {
    product = await Product.start({ env: { TOWLINE_SAMPLES: 'true' } });
  });
  after(() => product?.[Symbol.asyncDispose]());

  it('deploys the samples as pushes of the owner demo', async () => {
    await eventually('hello to be live', async () => (await product.call('demo', '/hello')).status === 200);
    const rows = await eventually(
      'the samples to have ended',
      async () => {
        const functions = await product.api<FunctionSummary[]>('GET', apiPaths.functions('demo'));
        const names = functions
          .filter((row) => row.lastDeploy && ['live', 'failed'].includes(row.lastDeploy.state))
          .map((row) => row.functionName);
        return ['hello', 'hello-py', 'broken', 'counter'].every((name) => names.includes(name)) && functions;
      },
      60_000,
    );
    const status = new Map(rows.map((row) => [row.functionName, row.status]));
    assert.equal(status.get('hello'), 'Ready');
    assert.equal(status.get('hello-py'), 'Ready');
    assert.equal(status.get('broken'), 'Failed');
    assert.equal((await product.call('demo', '/hello-py')).status, 200);
    const history = await eventually('three deploys of counter', async () => {
      const entries = await product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'counter'));
      return entries.length === 3 && entries;
    });
    assert.deepEqual(
      history.map((entry) => entry.number),
      [3, 2, 1],
    );
  });

  it('logs in once by the printed link, to a session that the API accepts', async () => {
    const link = new URL(product.ready.loginUrl);
    const first = await product.request(link.pathname + link.search);
    const second = await product.request(link.pathname + link.search);
    const cookie = String(first.headers['set-cookie']).split(';')[0] ?? '';
    const me = await product.request(apiPaths.me(), { headers: { cookie } });

    assert.equal(first.status, 303);
    assert.match(String(first.headers['set-cookie']), /HttpOnly/i);
    assert.match(String(first.headers['set-cookie']), /SameSite=Lax/i);
    assert.notEqual(second.status, 303);
    assert.equal(me.status, 200);
    assert.equal(JSON.parse(me.body).identity.owner, 'demo');
  });

  it('runs everything again on the second start', async () => {
    await eventually(
      'the seeding to end',
      async () => {
        const file = join(product.dataDir, 'samples.json');
        return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).pushed.counter === 3;
      },
      60_000,
    );
    await product.stop();
    await product.start();

    await eventually(
      'hello after the restart',
      async () => (await product.call('demo', '/hello')).status === 200,
    );
    await eventually(
      'hello-py after the restart',
      async () => (await product.call('demo', '/hello-py')).status === 200,
    );
    const history = await product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'counter'));
    assert.equal(history.length, 3);
  });

  it('refuses a second platform on the same data folder, in one line', () => {
    const result = startWith({ TOWLINE_DATA: product.dataDir, PORT: '0' });

    assert.equal(result.status, 1);
    assert.match(result.stderr, /^towline: Towline already runs with the data folder .*\n$/);
  });

  it('is not reset while it runs', () => {
    const result = spawnSync(process.execPath, [join(packageDir, 'local/reset.js')], {
      env: { TOWLINE_DATA: product.dataDir },
      encoding: 'utf8',
    });

    assert.equal(result.status, 1);
    assert.match(result.stderr, /is running/);
    assert.ok(existsSync(product.dataDir));
  });

  it('leaves no process behind on Ctrl+C, and is reset afterwards', async () => {
    assert.ok(processesOf(product.dataDir).length > 1);
    const code = await product.stop();

    assert.equal(code, 0);
    assert.deepEqual(processesOf(product.dataDir), []);
    const result = spawnSync(process.execPath, [join(packageDir, 'local/reset.js')], {
      env: { TOWLINE_DATA: product.dataDir },
      encoding: 'utf8',
    });
    assert.equal(result.status, 0, result.stderr);
    assert.ok(!existsSync(product.dataDir));
  });
});

describe('what can be wrong at the start', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'towline-start-'));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  it('says in one line that the wanted port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = (other.address() as { port: number }).port;
    const result = startWith({ TOWLINE_DATA: join(dir, 'port'), PORT: String(port) });
    other.close();

    assert.equal(result.status, 1);
    assert.match(
      result.stderr,
      new RegExp(`^towline: port ${port} is taken by another program \\(.*\\)\\n$`),
    );
  });

  it('says in one line that git is missing', () => {
    const result = startWith({ TOWLINE_DATA: join(dir, 'git'), PORT: '0', PATH: dir });

    assert.equal(result.status, 3);
    assert.match(result.stderr, /^towline: git is not installed, or not on the PATH \(.*\)\n$/);
  });

  it('says in one line that the data folder cannot be written', () => {
    const file = join(dir, 'a-file');
    writeFileSync(file, '');
    const result = startWith({ TOWLINE_DATA: join(file, 'data'), PORT: '0' });

    assert.equal(result.status, 1);
    assert.match(result.stderr, /^towline: the data folder .* cannot be written \(ENOTDIR\) \(.*\)\n$/);
  });

  it('says in one line that Node is too old', async () => {
    // An old Node is not on this machine: the check itself is run with a version that claims to be one.
    const script = `Object.defineProperty(process.versions, 'node', { value: '18.20.0' }); await import(${JSON.stringify(startFile)});`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const [code] = await once(child, 'close');

    assert.equal(code, 3);
    assert.match(stderr, /^towline: needs Node 24 or newer, this is 18\.20\.0: .*\n$/);
  });

  it('reports every bad setting at once, and --check-config stops there', () => {
    const bad = startWith({ PORT: '99999', TOWLINE_LOG_LEVEL: 'loud', TOWLINE_DATA: join(dir, 'x') }, [
      '--check-config',
    ]);
    const good = startWith({ TOWLINE_DATA: join(dir, 'y') }, ['--check-config']);

    assert.equal(bad.status, 2);
    assert.match(bad.stderr, /PORT: must be a whole number from 0 to 65535/);
    assert.match(bad.stderr, /TOWLINE_LOG_LEVEL: must be a pino level/);
    assert.equal(good.status, 0);
    assert.ok(!existsSync(join(dir, 'y')));
  });

  it('does not reset a folder that is not its own', () => {
    const mine = join(dir, 'mine');
    mkdirSync(mine);
    writeFileSync(join(mine, 'thesis.txt'), 'years of work');
    const result = spawnSync(process.execPath, [join(packageDir, 'local/reset.js')], {
      env: { TOWLINE_DATA: mine },
      encoding: 'utf8',
    });

    assert.equal(result.status, 1);
    assert.ok(existsSync(join(mine, 'thesis.txt')));
  });
});
