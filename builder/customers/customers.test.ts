import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { TowlineError } from '../../core/errors.ts';
import { createLogger } from '../../runtime/logger.ts';
import { createCustomerMatch, parseCustomers } from './customer-list.ts';
import { customerSource } from './customer-source.ts';
import { openListedCustomers } from './listed-customers.ts';

const account = (scm: 'github' | 'gitlab', path: string, id?: string) => ({ scm, path, id });
const quiet = () => createLogger({ level: 'silent', name: 'test' });

describe('a list of customers', () => {
  const matches = createCustomerMatch(
    parseCustomers('# who\r\nalice\n\ngithub:Bob # colleague\ngitlab:acme/web\ngithub:id:42\nid:7\n'),
  );

  it('names accounts by login, by group and by id, on one forge or on all', () => {
    assert.ok(matches(account('github', 'Alice')));
    assert.ok(matches(account('gitlab', 'alice')));
    assert.ok(matches(account('github', 'bob')));
    assert.ok(!matches(account('gitlab', 'bob')));
    assert.ok(matches(account('github', 'renamed', '42')));
    assert.ok(!matches(account('gitlab', 'other', '42')));
    assert.ok(matches(account('gitlab', 'other', '7')));
  });

  it('includes a group’s subgroups, and nothing that only begins like it', () => {
    assert.ok(matches(account('gitlab', 'acme/web')));
    assert.ok(matches(account('gitlab', 'acme/web/team')));
    assert.ok(!matches(account('gitlab', 'acme')));
    assert.ok(!matches(account('gitlab', 'acme/webs')));
    assert.ok(!matches(account('gitlab', 'other/acme/web')));
    assert.ok(!matches(account('github', 'alicea')));
  });

  it('never takes an id for a login, nor a login for an id', () => {
    assert.ok(!matches(account('github', '42')));
    assert.ok(!createCustomerMatch(parseCustomers('42'))(account('github', 'x', '42')));
  });

  const notLists = [
    '<!DOCTYPE html>\n<p>alice</p>',
    '{"alice":1}',
    'alice bob',
    'ali*ce',
    'github:',
    '../x',
    'bitbucket:x',
  ];
  for (const text of notLists) {
    it(`is not ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseCustomers(`carol\n${text}`), /not one at line 2/);
    });
  }

  it('may be empty: then nobody is one', () => {
    assert.ok(!createCustomerMatch(parseCustomers('\n# none yet\n'))(account('github', 'alice')));
  });
});

/** A server whose answer and clock the test sets. */
async function subject() {
  const state = { status: 200, text: 'alice\n', type: 'text/plain', asked: 0, now: 0, location: '' };
  const server = createServer((_, response) => {
    state.asked += 1;
    const headers = state.location === '' ? {} : { location: state.location };
    response.writeHead(state.status, { 'content-type': state.type, ...headers }).end(state.text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/customers`;
  const open = () =>
    openListedCustomers({ read: customerSource(url), logger: quiet(), now: () => state.now });
  return {
    state,
    open,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate();
}

describe('customers by URL', () => {
  it('are asked for again after five minutes, not before', async () => {
    await using bed = await subject();
    await using customers = await bed.open();
    const bob = account('github', 'bob');
    bed.state.text = 'bob';
    bed.state.now = 299_999;
    assert.ok(!customers.isCustomer(bob));
    assert.equal(bed.state.asked, 1);
    bed.state.now = 300_000;
    await until(() => customers.isCustomer(bob));
    assert.ok(!customers.isCustomer(account('github', 'alice')));
    assert.equal(bed.state.asked, 2);
  });

  const failures: [string, Partial<Awaited<ReturnType<typeof subject>>['state']>][] = [
    ['an error', { status: 500, text: 'bob' }],
    ['nothing found', { status: 404, text: 'bob' }],
    ['a page of HTML', { type: 'text/html; charset=utf-8', text: 'bob' }],
    ['a page that says it is text', { text: '<html>bob</html>' }],
    ['more than a list', { text: 'bob\n'.repeat(1_100_000) }],
    ['a way elsewhere', { status: 302, location: 'http://127.0.0.1:1/' }],
  ];
  for (const [title, change] of failures) {
    it(`stay the last good ones when the answer is ${title}`, async () => {
      await using bed = await subject();
      await using customers = await bed.open();
      Object.assign(bed.state, change, { now: 300_000 });
      assert.ok(customers.isCustomer(account('github', 'alice')));
      await until(() => bed.state.asked === 2);
      for (let round = 0; round < 50; round += 1) {
        await setImmediate();
        assert.ok(customers.isCustomer(account('github', 'alice')));
        assert.ok(!customers.isCustomer(account('github', 'bob')));
      }
    });

    it(`are nobody, and it is said to be unknown, when the first answer is ${title}`, async () => {
      await using bed = await subject();
      const good = { ...bed.state };
      Object.assign(bed.state, change);
      await using customers = await bed.open();
      assert.throws(
        () => customers.isCustomer(account('github', 'bob')),
        (error) => error instanceof TowlineError && error.code === 'unavailable',
      );
      Object.assign(bed.state, good, { now: 10_000 });
      const isAlice = () => {
        try {
          return customers.isCustomer(account('github', 'alice'));
        } catch {
          return false;
        }
      };
      await until(isAlice);
    });
  }
});

describe('where customers come from', () => {
  for (const place of [
    'http://lists.example/customers',
    'ftp://127.0.0.1/x',
    'http://127.0.0.1.evil.example/',
  ]) {
    it(`is not ${place}`, () => {
      assert.throws(() => customerSource(place), /a file or an https URL/);
    });
  }
});

describe('customers by file', () => {
  it('are read again, and stay when the file is gone', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'towline-customers-'));
    try {
      const path = join(dir, 'customers.txt');
      await writeFile(path, 'alice');
      let now = 0;
      await using customers = await openListedCustomers({
        read: customerSource(path),
        logger: quiet(),
        now: () => now,
      });
      assert.ok(customers.isCustomer(account('github', 'alice')));
      await writeFile(path, 'bob');
      now += 300_000;
      await until(() => customers.isCustomer(account('github', 'bob')));
      await rm(path);
      now += 300_000;
      customers.isCustomer(account('github', 'bob'));
      for (let round = 0; round < 50; round += 1) await setImmediate();
      assert.ok(customers.isCustomer(account('github', 'bob')));
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
