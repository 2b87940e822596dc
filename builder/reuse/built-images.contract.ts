import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BuiltImages, keptPerFunction } from './built-images.ts';

const alice = { ownerId: 'o1', repo: 'shop', functionName: 'hello' };
const hash = (n: number) => `sha256:${String(n).padStart(64, '0')}`;
const built = (n: number) => ({
  image: `r/alice/shop-hello@${hash(n)}`,
  sourceCommit: 'a'.repeat(40),
  builtAt: n,
});

/** What every record of built images must do. Its clock gives `clock.now`. */
export function describeBuiltImages(
  name: string,
  makeSubject: () => {
    clock: { now: number };
    images: BuiltImages;
    reopen: () => BuiltImages;
    dispose: () => void;
  },
): void {
  function withImages(test: (subject: ReturnType<typeof makeSubject>) => void) {
    return () => {
      const subject = makeSubject();
      try {
        test(subject);
      } finally {
        subject.dispose();
      }
    };
  }

  describe(`BuiltImages: ${name}`, () => {
    it(
      'finds the image of a content again, also after a restart, and the newest one if it was built twice',
      withImages(({ images, reopen }) => {
        assert.equal(images.find(alice, hash(1)), undefined);
        images.put(alice, hash(1), built(1));
        images.put(alice, hash(1), built(2));
        assert.deepEqual(images.find(alice, hash(1)), built(2));
        assert.deepEqual(reopen().find(alice, hash(1)), built(2));
      }),
    );

    it(
      'never gives the image of another owner, repository or function',
      withImages(({ images }) => {
        images.put(alice, hash(1), built(1));
        assert.equal(images.find({ ...alice, ownerId: 'o2' }, hash(1)), undefined);
        assert.equal(images.find({ ...alice, repo: 'blog' }, hash(1)), undefined);
        assert.equal(images.find({ ...alice, functionName: 'other' }, hash(1)), undefined);
        images.remove({ ...alice, ownerId: 'o2' }, hash(1));
        assert.ok(images.find(alice, hash(1)));
      }),
    );

    it(
      'keeps the newest of each function, those that were found again among them',
      withImages(({ images }) => {
        const other = { ...alice, functionName: 'other' };
        images.put(other, hash(1), built(1));
        for (let n = 1; n <= keptPerFunction; n += 1) images.put(alice, hash(n), built(n));
        images.find(alice, hash(1));
        images.put(alice, hash(99), built(99));
        assert.ok(images.find(alice, hash(1)) && images.find(alice, hash(99)) && images.find(alice, hash(3)));
        assert.equal(images.find(alice, hash(2)), undefined);
        assert.ok(images.find(other, hash(1)));
      }),
    );

    it(
      'forgets what is gone, and what was not used for long',
      withImages(({ images, clock }) => {
        clock.now = 1000;
        for (const n of [1, 2, 3]) images.put(alice, hash(n), built(n));
        images.remove(alice, hash(1));
        assert.equal(images.find(alice, hash(1)), undefined);
        clock.now = 2000;
        images.find(alice, hash(2));
        images.removeOlderThan(1500);
        assert.ok(images.find(alice, hash(2)));
        assert.equal(images.find(alice, hash(3)), undefined);
      }),
    );
  });
}
