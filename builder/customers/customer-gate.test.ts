import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { TowlineError } from '../../core/errors.ts';
import type { ImageEvent } from '../../core/source-event.ts';
import { commitTo, exampleOf, startForgePlatform } from '../../test/forges/forge-platform.ts';
import { stackFiles } from '../pipeline/platform-in-memory.test.ts';
import { createCustomerGate } from './customer-gate.ts';
import { createCustomerMatch, parseCustomers } from './customer-list.ts';

const person = { name: 'Alice', email: '', login: 'alice' };

/** A platform whose repository is Acme's. */
async function listed(list: string) {
  const dir = mkdtempSync(join(tmpdir(), 'towline-gate-'));
  const customers = join(dir, 'customers.txt');
  writeFileSync(customers, list);
  const platform = await startForgePlatform({ customers });
  return {
    platform,
    live: () => platform.writer.state.sourceOf('acme', 'hello'),
    pushes: () => platform.builder().pushes({ owner: 'acme' }),
    /** By which the list is read anew, and all branch heads are compared. */
    async restartWith(text: string) {
      writeFileSync(customers, text);
      await platform.restart();
      await platform.builder().drain();
    },
    async push(text: string): Promise<string> {
      const { commit, status } = await platform.push(stackFiles({ hello: text }));
      assert.equal(status, 202);
      await platform.builder().drain();
      return commit;
    },
    async pushOf(login: string, text: string): Promise<string> {
      const { before, after } = commitTo(platform.bare, stackFiles({ hello: text }));
      const payload = { ...platform.base('push'), ref: 'refs/heads/main', before, after };
      const sender = { ...(payload as unknown as { sender: object }).sender, login, id: 5 };
      assert.equal(await platform.github.deliver('push', { ...payload, sender }), 202);
      await platform.builder().drain();
      return after;
    },
    async [Symbol.asyncDispose]() {
      await platform[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true });
    },
  };
}

describe('who is no customer', () => {
  it('is not deployed by a comparison of branch heads, though somebody known pushed there once', async () => {
    await using bed = await listed('Codertocat');
    await bed.push('one');
    assert.match((await bed.pushes())[0]?.note ?? '', /Acme may not use this installation/);
    const head = await bed.pushOf('stranger', 'two');
    await bed.restartWith('Codertocat');
    assert.equal((await bed.pushes()).length, 1);
    assert.equal(bed.live(), undefined);

    await bed.restartWith('Codertocat\nAcme');
    assert.equal(bed.live(), head, 'the comparison does look here');
  });

  it('any more, keeps what is there and deploys nothing new, however it comes', async () => {
    await using bed = await listed('Acme');
    const first = await bed.push('one');
    const [pushed] = await bed.pushes();
    assert.equal(bed.live(), first);
    await bed.restartWith('bob');
    await bed.pushOf('stranger', 'two');
    await bed.restartWith('bob');
    assert.equal((await bed.pushes()).length, 1);

    const builder = bed.platform.builder();
    const isForbidden = (error: unknown) => error instanceof TowlineError && error.code === 'forbidden';
    await assert.rejects(builder.rebuild(pushed?.id ?? '', person), isForbidden);
    const { requested_action: _, ...rerun } = bed.platform.base('check_run');
    const check = { ...(exampleOf('check_run')['check_run'] as object), head_sha: first, external_id: '' };
    const { app } = bed.platform.github;
    const asked = { ...rerun, action: 'rerequested', check_run: { ...check, app: { id: app.id } } };
    assert.equal(await bed.platform.github.deliver('check_run', asked), 202);
    await builder.drain();
    assert.equal((await bed.pushes()).length, 1);
    assert.deepEqual([bed.live(), bed.platform.writer.state.deployed('acme')], [first, ['hello']]);

    await bed.restartWith('Acme');
    assert.notEqual(bed.live(), first, 'what was pushed meanwhile is deployed');
    assert.equal(await bed.platform.github.deliver('check_run', asked), 202);
    await bed.platform.builder().drain();
    assert.equal((await bed.pushes()).length, 3, 'who is a customer may run it again');
  });
});

describe('the gate', () => {
  const paths = new Map([
    ['github 1', 'Acme'],
    ['github 2', 'bob-was'],
  ]);
  const gateOf = (list: string) =>
    createCustomerGate({
      customers: { isCustomer: createCustomerMatch(parseCustomers(list)) },
      ownerPath: (scm, id) => paths.get(`${scm} ${id}`),
    });
  const image = (ownerId: string): ImageEvent => ({
    type: 'image',
    scm: 'git',
    repository: repository(ownerId),
    actor: person,
    configuration: null,
    run: null,
    ...{ id: 'i', functionName: 'hello', image: 'x', ref: 'refs/heads/main' },
    ...{ before: '', after: '', subject: '' },
  });
  const repository = (ownerId: string, path?: string) => ({
    ...{ id: '7', name: 'shop', owner: 'acme', ownerId, cloneUrl: '', defaultBranch: 'main', private: true },
    ...(path === undefined ? {} : { path }),
  });

  it('is open for the built-in host, and closed for strangers of Gitea', () => {
    const gate = gateOf('nobody');
    assert.ok(gate.isCustomers({ scm: 'git', repository: repository('alice') }));
    assert.ok(!gate.isCustomers({ scm: 'git', repository: repository('gitea-3', 'acme/shop') }));
    assert.ok(gateOf('git:acme').isCustomers({ scm: 'git', repository: repository('gitea-3', 'acme/shop') }));
  });

  it('goes by the name that an owner has now, not by one that somebody else may have', () => {
    const known = { scm: 'github', repository: repository('2', 'bob/shop') } as const;
    assert.ok(!gateOf('bob').isCustomers(known));
    assert.ok(gateOf('bob-was').isCustomers(known));
    assert.ok(gateOf('id:2').isCustomers(known));
  });

  it('lets images of customers in, whichever host their CI belongs to', () => {
    assert.throws(() => gateOf('bob').admit(image('1'), 'hook'), /acme may not use this installation/);
    gateOf('github:acme').admit(image('1'), 'hook');
    gateOf('bob').admit(image('of the built-in host'), 'hook');
  });
});
