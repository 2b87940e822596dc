import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RepositoryHost } from '../../core/repository-host.ts';
import type { Person, SourceEvent } from '../../core/source-event.ts';

export interface RepositoryHostSubject extends AsyncDisposable {
  host: RepositoryHost;
  /** An owner with the repositories `doomed` and `kept`, each pushed to once. */
  owner: { slug: string; id: string };
  /** An owner without any. */
  other: string;
  /** What the build service was told since the repositories were pushed. */
  told(): SourceEvent[];
}

const actor: Person = { name: 'Ada', email: 'ada@example.com', login: 'ada' };

/** What every adapter of `RepositoryHost` does. */
export function describeRepositoryHost(
  name: string,
  makeSubject: () => Promise<RepositoryHostSubject>,
): void {
  describe(`${name} as a repository host`, () => {
    const names = async (subject: RepositoryHostSubject) =>
      (await subject.host.list(subject.owner.slug)).map((repository) => repository.name).sort();

    it('lists an owner’s repositories, with addresses that hold no credentials', async () => {
      await using subject = await makeSubject();

      const repositories = await subject.host.list(subject.owner.slug);

      assert.deepEqual(await names(subject), ['doomed', 'kept']);
      for (const repository of repositories) {
        assert.equal(repository.ownerId, subject.owner.id);
        assert.equal(repository.defaultBranch, 'main');
        assert.equal(typeof repository.pushedAt, 'number');
        assert.equal(new URL(repository.cloneUrl).username + new URL(repository.cloneUrl).password, '');
      }
      assert.deepEqual(await subject.host.list(subject.other), []);
      assert.deepEqual(await subject.host.list('nobody'), []);
    });

    it('deletes a repository, tells the build service, and touches no other', async () => {
      await using subject = await makeSubject();

      await subject.host.delete(subject.owner.slug, 'doomed', actor);

      const [event, ...more] = subject.told();
      assert.deepEqual(await names(subject), ['kept']);
      assert.equal(event?.type, 'repository-deleted');
      assert.equal(event?.repository.name, 'doomed');
      assert.equal(event?.repository.ownerId, subject.owner.id);
      assert.deepEqual(event?.actor, actor);
      assert.deepEqual(more, []);
    });

    it('refuses to delete what is not there, and names that lead elsewhere', async () => {
      await using subject = await makeSubject();
      const { slug } = subject.owner;

      for (const [owner, repository] of [
        [slug, 'missing'],
        [subject.other, 'doomed'],
        ['nobody', 'doomed'],
        [subject.other, `../${slug}/doomed`],
        [slug, '..'],
        [slug, ''],
        ['..', 'doomed'],
      ] as const) {
        await assert.rejects(subject.host.delete(owner, repository, actor), { code: 'not_found' });
      }
      assert.deepEqual(await names(subject), ['doomed', 'kept']);
      assert.deepEqual(subject.told(), []);
    });
  });
}
