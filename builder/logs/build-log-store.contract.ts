import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LogLine } from '../../core/deploy.ts';
import type { BuildLogStore } from './build-log-store.ts';

const never = new AbortController().signal;

function line(text: string, kind: LogLine['kind'] = 'output'): Omit<LogLine, 'n'> {
  return { time: 5, functionName: 'hello', stage: 'build', kind, text };
}

async function collect(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const all: LogLine[] = [];
  for await (const each of lines) all.push(each);
  return all;
}

const texts = async (lines: AsyncIterable<LogLine>) => (await collect(lines)).map(({ text }) => text);

export interface LogStoreSubject {
  store: BuildLogStore;
  /** Another store over the same storage, as after a death without any goodbye. */
  reopen: () => BuildLogStore;
  /** Leaves half a line at the end of a log, as a death in the middle of a write does. */
  tear: (pushId: string) => void;
  dispose: () => Promise<void>;
}

/** What every build log store must do. `maxBytes` is the bound for output that the subject was made with. */
export function describeBuildLogStore(
  name: string,
  maxBytes: number,
  makeSubject: () => LogStoreSubject | Promise<LogStoreSubject>,
): void {
  function withStore(test: (subject: LogStoreSubject) => Promise<void>) {
    return async () => {
      const subject = await makeSubject();
      try {
        await test(subject);
      } finally {
        await subject.dispose();
      }
    };
  }

  describe(`BuildLogStore: ${name}`, () => {
    it(
      'numbers lines from 1 without gaps and gives them back after the log is closed',
      withStore(async ({ store }) => {
        store.open('p');
        const given = ['one', 'two ü 🚢', 'three\u001b[31m\r'].map((text) => store.append('p', line(text)));
        await store.close('p');
        assert.deepEqual(
          given.map((each) => each?.n),
          [1, 2, 3],
        );
        assert.deepEqual(await collect(store.read('p', 0, never)), given);
        assert.deepEqual(await texts(store.read('p', 2, never)), ['three\u001b[31m\r']);
      }),
    );

    it(
      'shows lines to readers at once and ends with the log',
      withStore(async ({ store }) => {
        store.open('p');
        store.append('p', line('early'));
        const reader = store.read('p', 0, never)[Symbol.asyncIterator]();
        assert.equal((await reader.next()).value.text, 'early');
        const next = reader.next();
        store.append('p', line('late'));
        assert.equal((await next).value.text, 'late');
        const end = reader.next();
        await store.close('p');
        assert.equal((await end).done, true);
      }),
    );

    it(
      'gives a slow reader and a fast one the same whole log while it is written',
      withStore(async ({ store }) => {
        store.open('p');
        const slow = store.read('p', 0, never)[Symbol.asyncIterator]();
        const first = slow.next();
        const fast = texts(store.read('p', 0, never));
        const expected: string[] = [];
        for (let index = 0; index < 300; index += 1) {
          expected.push(`line ${index}`);
          store.append('p', line(`line ${index}`));
          if (index % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 15));
        }
        const seen = [(await first).value.text];
        await store.close('p');
        for (let next = await slow.next(); !next.done; next = await slow.next()) seen.push(next.value.text);
        assert.deepEqual(seen, expected);
        assert.deepEqual(await fast, expected);
      }),
    );

    it(
      'ends a reader whose signal aborts',
      withStore(async ({ store }) => {
        store.open('p');
        const controller = new AbortController();
        const all = texts(store.read('p', 0, controller.signal));
        store.append('p', line('x'));
        await new Promise((resolve) => setImmediate(resolve));
        controller.abort();
        assert.ok((await all).length <= 1);
      }),
    );

    it(
      'cuts long lines',
      withStore(async ({ store }) => {
        store.open('p');
        const given = store.append('p', line('x'.repeat(1_000_000)));
        assert.ok(given && given.text.length < 9000 && given.text.endsWith('(line cut)'));
      }),
    );

    it(
      'is bounded, says that it was cut, and still tells how it ended',
      withStore(async ({ store }) => {
        store.open('p');
        for (let index = 0; index < 5000; index += 1) store.append('p', line('y'.repeat(100)));
        assert.equal(store.append('p', line('more')), undefined);
        store.append('p', line('hello failed', 'error'));
        await store.close('p');
        const all = await collect(store.read('p', 0, never));
        assert.match(all.at(-2)?.text ?? '', /^log cut at \d+ bytes/);
        assert.equal(all.at(-1)?.text, 'hello failed');
        assert.ok(JSON.stringify(all).length < maxBytes + 10_000);
        assert.deepEqual(
          all.map(({ n }) => n),
          all.map((_, index) => index + 1),
        );
      }),
    );

    it(
      'bounds warnings and errors too',
      withStore(async ({ store }) => {
        store.open('p');
        for (let index = 0; index < 10_000; index += 1) store.append('p', line('w'.repeat(100), 'warning'));
        await store.close('p');
        assert.ok(JSON.stringify(await collect(store.read('p', 0, never))).length < maxBytes + 300_000);
      }),
    );

    it(
      'goes on after the last whole line of a run that died',
      withStore(async ({ store, reopen, tear }) => {
        store.open('p');
        store.append('p', line('one'));
        store.append('p', line('two'));
        await store.close('p');
        tear('p');
        const again = reopen();
        again.open('p');
        assert.equal(again.append('p', line('three'))?.n, 3);
        await again.close('p');
        assert.deepEqual(await texts(again.read('p', 0, never)), ['one', 'two', 'three']);
      }),
    );

    it(
      'keeps hostile ids apart and inside its folder',
      withStore(async ({ store }) => {
        const ids = ['../../escape', 'A', 'a', '.', '', 'x/y', 'x\u0000y', 'é', 'n'.repeat(200)];
        for (const id of ids) {
          store.open(id);
          store.append(id, line(`of ${id}`));
          await store.close(id);
        }
        for (const id of ids) assert.deepEqual(await texts(store.read(id, 0, never)), [`of ${id}`]);
      }),
    );

    it(
      'removes logs, by id and by age, but none that is open',
      withStore(async ({ store }) => {
        for (const id of ['gone', 'old', 'open']) {
          store.open(id);
          store.append(id, line(id));
        }
        await store.remove('gone');
        await store.close('old');
        const anySize = { maxBytes: Number.POSITIVE_INFINITY };
        await store.retain({ after: Date.now() - 60_000, ...anySize });
        assert.deepEqual(await texts(store.read('old', 0, never)), ['old']);
        await store.retain({ after: Date.now() + 60_000, ...anySize });
        await store.close('open');
        assert.deepEqual(await texts(store.read('gone', 0, never)), []);
        assert.deepEqual(await texts(store.read('old', 0, never)), []);
        assert.deepEqual(await texts(store.read('open', 0, never)), ['open']);
      }),
    );

    it(
      'removes the oldest logs when all together are too large',
      withStore(async ({ store }) => {
        for (const id of ['first', 'second', 'third']) {
          store.open(id);
          for (let index = 0; index < 20; index += 1) store.append(id, line('x'.repeat(500)));
          await store.close(id);
          // Stores tell times apart by the second.
          await new Promise((resolve) => setTimeout(resolve, 1100));
        }
        await store.retain({ after: 0, maxBytes: 25_000 });
        const left = [];
        for (const id of ['first', 'second', 'third'])
          left.push((await texts(store.read(id, 0, never))).length);
        assert.deepEqual(left, [0, 20, 20]);
        await store.retain({ after: 0, maxBytes: 0 });
        assert.deepEqual(await texts(store.read('third', 0, never)), []);
      }),
    );

    it(
      'takes 50,000 lines',
      withStore(async ({ store }) => {
        store.open('p');
        for (let index = 0; index < 50_000; index += 1) store.append('p', line('z', 'output'));
        await store.close('p');
        const all = await collect(store.read('p', 0, never));
        assert.match(all.at(-1)?.text ?? '', /^log cut/);
      }),
    );
  });
}
