import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { CatalogChange, CatalogEntry, FunctionCatalog } from '../../core/catalog.ts';
import type { FunctionAccess } from '../../core/function-access.ts';

/** A catalog under test, and the hands that change what it shows. */
export interface FunctionCatalogSubject extends AsyncDisposable {
  catalog: FunctionCatalog;
  /** Asks for a version that answers `answer` at `/`; whose requests it takes is `public` unless said. */
  deploy(owner: string, functionName: string, answer: string, access?: FunctionAccess): Promise<void>;
  /** Asks for a version that never gets healthy. */
  deployBroken(owner: string, functionName: string, access?: FunctionAccess): Promise<void>;
  remove(owner: string, functionName: string): Promise<void>;
  /** Makes a function go to sleep soon; absent if the adapter cannot. */
  sleep?: (owner: string, functionName: string) => Promise<void>;
  /** A function's address stays the same over its versions, as a cluster's Service does. */
  hasStableTargets?: boolean;
}

/** What every adapter of `FunctionCatalog` keeps to. */
export function describeFunctionCatalog(
  name: string,
  makeSubject: () => Promise<FunctionCatalogSubject>,
): void {
  describe(`${name} as a FunctionCatalog`, () => {
    const open: FunctionCatalogSubject[] = [];
    afterEach(async () => {
      for (const subject of open.splice(0)) await subject[Symbol.asyncDispose]();
    });

    async function make(): Promise<FunctionCatalogSubject> {
      const subject = await makeSubject();
      open.push(subject);
      return subject;
    }

    it('knows nothing at first', async () => {
      const { catalog } = await make();
      assert.equal(catalog.lookup('alice', 'hello'), undefined);
      assert.equal(catalog.hasOwner('alice'), false);
      assert.deepEqual(catalog.list(), []);
      assert.deepEqual(catalog.list('alice'), []);
    });

    it('shows a function from the moment it is asked for, with targets once it takes requests', async () => {
      const { catalog, deploy } = await make();
      await deploy('alice', 'hello', 'one');
      const entry = await seen(catalog, 'alice', 'hello', isServing);
      assert.equal(entry.status, 'Ready');
      assert.equal(entry.reason, null);
      assert.equal(entry.image, entry.desiredImage);
      assert.ok(entry.since !== null && entry.ownerId !== '');
      assert.equal(await answerOf(entry), 'one');
      assert.equal(catalog.hasOwner('alice'), true);
    });

    it('keeps owners apart, also where one’s name begins like another’s', async () => {
      const { catalog, deploy } = await make();
      await deploy('a', 'b-c', 'first');
      await deploy('a-b', 'd', 'second');
      assert.equal(await answerOf(await seen(catalog, 'a', 'b-c', isServing)), 'first');
      assert.equal(await answerOf(await seen(catalog, 'a-b', 'd', isServing)), 'second');
      assert.deepEqual(namesOf(catalog.list('a')), ['a/b-c']);
      assert.deepEqual(namesOf(catalog.list()).sort(), ['a-b/d', 'a/b-c']);
      assert.equal(catalog.lookup('a', 'b-d'), undefined);
    });

    it('replaces the targets when the new version serves, and tells after the view has changed', async () => {
      const { catalog, deploy, hasStableTargets = false } = await make();
      await deploy('alice', 'hello', 'one');
      const before = await seen(catalog, 'alice', 'hello', isServing);
      const mismatches: CatalogChange[] = [];
      catalog.subscribe((change) => {
        if (catalog.lookup(change.owner, change.functionName) !== change.entry) mismatches.push(change);
        assert.ok(change.entry?.targets.length, 'a deploy never leaves a moment without a target');
      });
      await deploy('alice', 'hello', 'two');
      const after = await seen(catalog, 'alice', 'hello', (entry) => entry.image !== before.image);
      if (!hasStableTargets) assert.notDeepEqual(after.targets, before.targets);
      assert.equal(await answerOf(after), 'two');
      assert.deepEqual(mismatches, []);
    });

    it('keeps serving the old version when the new one fails, and says why', async () => {
      const { catalog, deploy, deployBroken } = await make();
      await deploy('alice', 'hello', 'good');
      const good = await seen(catalog, 'alice', 'hello', isServing);
      await deployBroken('alice', 'hello');
      const entry = await seen(catalog, 'alice', 'hello', (found) => found.status === 'Degraded');
      assert.equal(await answerOf(entry), 'good');
      assert.equal(entry.image, good.image);
      assert.notEqual(entry.desiredImage, good.image);
      assert.ok(entry.reason);
    });

    it('opens a function no sooner than the version serves that is open, and never if that one fails', async () => {
      const { catalog, deploy, deployBroken } = await make();
      await deploy('alice', 'hello', 'mine', 'owner');
      const closed = await seen(catalog, 'alice', 'hello', (entry) => entry.status === 'Ready');
      assert.equal(closed.access, 'owner');
      const opened: CatalogChange[] = [];
      catalog.subscribe((change) => {
        if (change.entry?.image === closed.image && change.entry?.access !== 'owner') opened.push(change);
      });
      await deployBroken('alice', 'hello', 'public');
      const kept = await seen(catalog, 'alice', 'hello', (entry) => entry.status === 'Degraded');
      assert.deepEqual([kept.access, await answerOf(kept)], ['owner', 'mine']);
      await deploy('alice', 'hello', 'everybody’s', 'public');
      const open = await seen(catalog, 'alice', 'hello', (entry) => entry.status === 'Ready');
      assert.deepEqual([open.access, await answerOf(open)], ['public', 'everybody’s']);
      assert.deepEqual(opened, []);
    });

    it('closes a function as soon as that is asked for, also if the version that asks for it fails', async () => {
      const { catalog, deploy, deployBroken } = await make();
      await deploy('alice', 'hello', 'good');
      await seen(catalog, 'alice', 'hello', (entry) => entry.status === 'Ready');
      await deployBroken('alice', 'hello', 'members');
      const closed = await seen(catalog, 'alice', 'hello', (entry) => entry.status !== 'Ready');
      assert.deepEqual([closed.access, closed.targets.length], ['members', 1]);
      await seen(catalog, 'alice', 'hello', (entry) => entry.status === 'Degraded');
      assert.equal(catalog.lookup('alice', 'hello')?.access, 'members');
    });

    it('shows a function that never served as Failed, with the reason and no target', async () => {
      const { catalog, deployBroken } = await make();
      await deployBroken('alice', 'hello');
      const entry = await seen(catalog, 'alice', 'hello', (found) => found.status === 'Failed');
      assert.deepEqual([entry.image, entry.targets], [null, []]);
      assert.ok(entry.reason && !entry.reason.includes('\n'));
      assert.ok(entry.publicReason && !entry.publicReason.includes('broken'));
    });

    it('forgets a removed function, and its owner with the last one', async () => {
      const { catalog, deploy, remove } = await make();
      await deploy('alice', 'hello', 'one');
      await seen(catalog, 'alice', 'hello', isServing);
      const gone = new Promise<CatalogChange>((resolve) => {
        catalog.subscribe((change) => change.entry === undefined && resolve(change));
      });
      await remove('alice', 'hello');
      assert.deepEqual(await gone, { owner: 'alice', functionName: 'hello', entry: undefined });
      assert.equal(catalog.lookup('alice', 'hello'), undefined);
      assert.equal(catalog.hasOwner('alice'), false);
    });

    it('stops telling who unsubscribed', async () => {
      const { catalog, deploy } = await make();
      let told = 0;
      catalog.subscribe(() => told++)();
      await deploy('alice', 'hello', 'one');
      await seen(catalog, 'alice', 'hello', isServing);
      assert.equal(told, 0);
    });

    it('wakes at once what is awake, refuses what cannot run, and stops waiting when told', async () => {
      const { catalog, deploy, deployBroken } = await make();
      await deploy('alice', 'hello', 'one');
      const serving = await seen(catalog, 'alice', 'hello', isServing);
      catalog.touch('alice', 'hello');
      catalog.touch('alice', 'nothing');
      const signal = AbortSignal.timeout(120_000);
      assert.equal(await catalog.wake('alice', 'hello', signal), serving);
      await assert.rejects(catalog.wake('alice', 'nothing', signal), { code: 'unavailable' });
      await deployBroken('alice', 'broken');
      await seen(catalog, 'alice', 'broken', (entry) => entry.status === 'Failed');
      await assert.rejects(catalog.wake('alice', 'broken', signal), { code: 'unavailable' });
      await assert.rejects(
        catalog.wake('alice', 'hello', AbortSignal.abort(new Error('gone away'))),
        /gone away/,
      );
    });

    it('shows a sleeper without targets and wakes it on request', async (t) => {
      const { catalog, deploy, sleep } = await make();
      if (sleep === undefined) return t.diagnostic('this adapter puts nothing to sleep');
      await deploy('alice', 'hello', 'one');
      await seen(catalog, 'alice', 'hello', isServing);
      await sleep('alice', 'hello');
      const asleep = await seen(catalog, 'alice', 'hello', (entry) => entry.status === 'Asleep');
      assert.deepEqual(asleep.targets, []);
      assert.equal(asleep.image, asleep.desiredImage);
      const woken = await catalog.wake('alice', 'hello', AbortSignal.timeout(120_000));
      assert.equal(await answerOf(woken), 'one');
    });
  });
}

const isServing = (entry: CatalogEntry) => entry.targets.length > 0;
const namesOf = (entries: CatalogEntry[]) => entries.map((entry) => `${entry.owner}/${entry.functionName}`);

/** Resolves with the first entry that fits. */
function seen(
  catalog: FunctionCatalog,
  owner: string,
  functionName: string,
  fits: (entry: CatalogEntry) => boolean,
): Promise<CatalogEntry> {
  return new Promise((resolve) => {
    const check = () => {
      const entry = catalog.lookup(owner, functionName);
      if (entry === undefined || !fits(entry)) return;
      unsubscribe();
      resolve(entry);
    };
    const unsubscribe = catalog.subscribe(check);
    check();
  });
}

async function answerOf(entry: CatalogEntry): Promise<string> {
  const [target] = entry.targets;
  assert.ok(target, 'nothing takes requests');
  return (await fetch(target.origin)).text();
}
