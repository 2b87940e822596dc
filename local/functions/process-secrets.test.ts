import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { desire, nodeServer } from './artifact-fixture.ts';
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

describe('secrets of a function that runs as a process', () => {
  it('are files in a folder that only the platform’s user gets into, and gone with the process', async () => {
    const shop = await bench.workshop();
    const supervisor = await bench.supervise(shop, {}, { makeStarter });
    supervisor.apply(desire(await shop.build(reading), { secrets: ['alice-key'] }));
    await ready(supervisor);
    assert.equal((await ask(supervisor)).text, 'open sesame');
    const folder = path.join(shop.stateDir, '.supervisor', 'homes', 'secrets');
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.equal((await readdir(folder)).length, 1);
    await supervisor[Symbol.asyncDispose]();
    assert.deepEqual(existsSync(folder) ? await readdir(folder) : [], []);
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
