import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { BuildService } from '../../core/build-service.ts';
import type { PendingDeploys } from '../../core/catalog.ts';
import { TowlineError } from '../../core/errors.ts';

/** A build service under test, and alice, who pushes the repository `shop`. */
export interface BuildServiceSubject extends AsyncDisposable {
  builds: BuildService & PendingDeploys;
  /** Text of each function; gives the push's id. A function whose text is `fail` cannot be built. */
  push(functions: Record<string, string>): Promise<string>;
  /** Builds of alice's `shop` stop before the function until it is opened. */
  gate(functionName: string): { entered: Promise<void>; open(): void };
  /** Deploys of it are held from now on. */
  hold(functionName: string): void;
  /** Nothing is queued or running any more. */
  drain(): Promise<void>;
}

const bob = { name: 'Bob', email: 'bob@example.org', login: 'bob' };
const never = () => new AbortController().signal;

/** What every adapter of `BuildService` and its `PendingDeploys` keeps to. */
export function describeBuildService(name: string, makeSubject: () => Promise<BuildServiceSubject>): void {
  describe(`${name} as a BuildService`, () => {
    const open: BuildServiceSubject[] = [];
    afterEach(async () => {
      for (const subject of open.splice(0)) await subject[Symbol.asyncDispose]();
    });

    async function make() {
      const subject = await makeSubject();
      open.push(subject);
      const { builds } = subject;
      async function texts(pushId: string, after = 0, signal = never()): Promise<string[]> {
        const lines: string[] = [];
        for await (const { n, text } of builds.log(pushId, after, signal)) lines.push(`${n} ${text}`);
        return lines;
      }
      return { ...subject, texts };
    }

    it('knows nothing of what there is not', async () => {
      const { builds, texts } = await make();

      assert.deepEqual([await builds.push('none'), await builds.deploy('none')], [undefined, undefined]);
      assert.deepEqual(await builds.pushes({ owner: 'alice' }), []);
      assert.deepEqual([await builds.latestDeploys(), await builds.heldDeploys()], [[], []]);
      assert.deepEqual(await texts('none'), []);
      assert.equal(builds.pending('alice', 'none'), undefined);
      await assert.rejects(builds.rebuild('none', bob), isError('not_found'));
      await assert.rejects(builds.cancel('none', bob), isError('not_found'));
    });

    it('tells of a push and its deploys', async () => {
      const { builds, push, drain } = await make();
      const first = await push({ hello: 'one' });
      await drain();
      const second = await push({ hello: 'two', other: 'two' });
      await drain();

      const [newest, ...older] = await builds.pushes({ owner: 'alice', repo: 'shop', limit: 5 });
      assert.deepEqual([newest?.id, older.map(({ id }) => id)], [second, [first]]);
      assert.equal((await builds.pushes({ owner: 'alice', limit: 1 })).length, 1);
      assert.deepEqual(await builds.pushes({ owner: 'bob' }), []);
      assert.deepEqual(await builds.push(second), newest);
      const [deploy] = newest?.deploys ?? [];
      assert.deepEqual(await builds.deploy(deploy?.id ?? ''), deploy);
      assert.deepEqual(
        (await builds.latestDeploys('alice')).map(({ functionName, state }) => `${functionName} ${state}`),
        ['hello live', 'other live'],
      );
      assert.deepEqual(await builds.latestDeploys('alice', 'staging'), []);
    });

    it('gives the lines of a log as they come, and goes on after any of them', async () => {
      const { builds, push, gate, drain, texts } = await make();
      const door = gate('hello');
      const id = await push({ hello: 'one' });
      await door.entered;
      const lines: string[] = [];
      const isBegun = Promise.withResolvers<void>();
      const reading = (async () => {
        for await (const { n, text } of builds.log(id, 0, never())) {
          lines.push(`${n} ${text}`);
          isBegun.resolve();
        }
      })();
      await isBegun.promise;
      door.open();
      await reading;
      await drain();

      assert.ok(lines.length > 2, lines.join('\n'));
      assert.deepEqual(
        lines.map((line) => Number.parseInt(line, 10)),
        lines.map((_, index) => index + 1),
      );
      assert.deepEqual(await texts(id), lines);
      assert.deepEqual(await texts(id, 2), lines.slice(2));
    });

    it('ends a log for a reader who has had enough', async () => {
      const { builds, push, gate } = await make();
      const door = gate('hello');
      const id = await push({ hello: 'one' });
      await door.entered;
      const stop = new AbortController();

      for await (const _ of builds.log(id, 0, stop.signal)) stop.abort();

      assert.ok(stop.signal.aborted);
      door.open();
    });

    it('says what a function waits for that is not there yet, with the cause for its owner alone', async () => {
      const { builds, push, gate, drain } = await make();
      const door = gate('hello');
      await push({ hello: 'one' });
      await door.entered;
      await until(() => builds.pending('alice', 'hello')?.status === 'Building');
      assert.equal(builds.pending('alice', 'hello', 'staging'), undefined);
      door.open();
      await drain();
      await until(() => builds.pending('alice', 'hello') === undefined);

      await push({ hello: 'fail' });
      await drain();
      await until(() => builds.pending('alice', 'hello')?.status === 'Failed');
      const { reason, publicReason } = builds.pending('alice', 'hello') ?? { reason: '', publicReason: '' };
      assert.match(reason, /failed at build: /);
      assert.doesNotMatch(publicReason, /: /);
    });

    it('builds again, and stops what is not committed yet', async () => {
      const { builds, push, gate, drain } = await make();
      const id = await push({ hello: 'one' });
      await drain();
      const again = await builds.rebuild(id, bob, { force: true });
      await drain();
      assert.equal((await builds.push(again))?.actor.name, 'Bob');

      const door = gate('hello');
      const stopped = await push({ hello: 'two' });
      await door.entered;
      await builds.cancel(stopped, bob);
      await drain();
      assert.equal((await builds.push(stopped))?.deploys[0]?.cause?.code, 'build_cancelled');
      await assert.rejects(builds.cancel(stopped, bob), isError('conflict'));
      door.open();
    });

    it('lists what is held', async () => {
      const { builds, push, hold, drain } = await make();
      await push({ hello: 'one' });
      await drain();
      hold('hello');
      await push({ hello: 'two' });
      await drain();

      assert.deepEqual(
        (await builds.heldDeploys('alice')).map(({ functionName }) => functionName),
        ['hello'],
      );
      assert.deepEqual(await builds.heldDeploys('bob'), []);
    });

    it('refuses an image that nobody may announce', async () => {
      const { builds } = await make();
      const image = {
        ...{ owner: 'alice', ownerId: 'id-alice', functionName: 'shop', scm: 'github' as const },
        image: `registry.example.org/shop@sha256:${'1'.repeat(64)}`,
        repository: { id: '74', name: 'shop', url: 'https://github.com/acme/shop', private: true },
        ...{ commit: '1'.repeat(40), ref: 'refs/heads/main', before: null, subject: 'Fix it', run: null },
        ...{ actor: bob, configuration: null },
      };

      await assert.rejects(builds.announce(image), isError('policy_refused'));
    });
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

function isError(code: string) {
  return (error: unknown) => error instanceof TowlineError && error.code === code;
}
