import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { desire, nodeServer, type Workshop } from './artifact-fixture.ts';
import { processStarter } from './process-starter.ts';
import { ask, createBench, ready, until } from './supervisor-fixture.ts';

const bench = createBench(process.env['PATH'] ?? '');
afterEach(bench.clear);

/** Answers with the secret `key`, read as a function reads it. */
const reading = nodeServer(
  '',
  `process.env.GREETING = require('node:fs').readFileSync(process.env.secret_mount_path + '/key', 'utf8');`,
);
const makeStarter = processStarter(async (ownerId, name) =>
  ownerId === 'id-alice' && name === 'key' ? 'open sesame' : undefined,
);

const secretsOf = (shop: Workshop) => path.join(shop.stateDir, '.supervisor', 'homes', 'secrets');
const left = (shop: Workshop) => (existsSync(secretsOf(shop)) ? readdirSync(secretsOf(shop)) : []);

async function takenPort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

describe('secrets of a function that runs as a process', () => {
  it('are files in a folder that no other user of the machine gets into, and gone with the process', async () => {
    const shop = await bench.workshop();
    const supervisor = await bench.supervise(shop, {}, { makeStarter });
    supervisor.apply(desire(await shop.build(reading), { secrets: ['alice-key'] }));
    await ready(supervisor);
    assert.equal((await ask(supervisor)).text, 'open sesame');
    const folder = secretsOf(shop);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.equal((await readdir(folder)).length, 1);
    await supervisor[Symbol.asyncDispose]();
    assert.deepEqual(left(shop), []);
  });

  it('are gone when a start fails, whatever it fails of', async () => {
    const shop = await bench.workshop();
    await using taken = await takenPort();
    const portRange = { from: taken.port, to: taken.port };
    const supervisor = await bench.supervise(shop, { portRange }, { makeStarter });
    supervisor.apply(desire(await shop.build(reading), { secrets: ['key'] }));
    const unbound = await until(supervisor, (found) => found?.status === 'Failed');
    assert.match(unbound?.reason ?? '', /no port from .* is free/);
    assert.deepEqual(left(shop), []);
    await supervisor[Symbol.asyncDispose]();

    const other = await bench.supervise(shop, { readyTimeoutMs: 5_000 }, { makeStarter });
    const ending = await shop.build({ 'index.js': 'process.exit(1)' });
    other.apply(desire(ending, { secrets: ['key'] }));
    await until(other, (found) => found?.status === 'Failed');
    await other[Symbol.asyncDispose]();
    assert.deepEqual(left(shop), []);
  });

  it('keep it from starting while one is missing, which it says, and where it belongs', async () => {
    const shop = await bench.workshop();
    const supervisor = await bench.supervise(shop, {}, { makeStarter });
    supervisor.apply(desire(await shop.build(reading), { secrets: ['alice-key', 'alice-other'] }));
    const entry = await until(supervisor, (found) => found?.status === 'Failed');
    assert.equal(entry?.reason, 'alice has no secret "other" on this machine');
    assert.match(
      supervisor.progress('alice', 'hello')?.cause?.hint ?? '',
      /secrets\/id-alice\/other of the data folder/,
    );
    assert.doesNotMatch(entry?.publicReason ?? '', /other/);
  });
});
