import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseImageReference } from '../../core/image-reference.ts';
import type { ImageRegistry } from './image-registry.ts';

export interface RegistrySubject extends AsyncDisposable {
  /** Allows the registry below with rights to its images, and nothing else. */
  registry: ImageRegistry;
  /** The same without rights, or `undefined` where everybody may pull. */
  stranger: ImageRegistry | undefined;
  /** As images are named. */
  host: string;
  /** Puts an image there; gives its digest. Another `content` is another image. */
  push(repository: string, tag: string, content: string): Promise<string>;
  /** The registry goes away. */
  stop(): Promise<void>;
}

const patience = () => AbortSignal.timeout(120_000);
const ownerId = 'owner-1';

function ref(text: string) {
  const image = parseImageReference(text);
  assert.ok(image, text);
  return image;
}

/** What every `ImageRegistry` does; over a registry that is really there. */
export function describeImageRegistry(name: string, makeSubject: () => Promise<RegistrySubject>): void {
  suite(`${name}: an image registry`, () => {
    test('a tag is what it points to now, a digest stays what it is', async () => {
      await using subject = await makeSubject();
      const { registry, host } = subject;
      const first = await subject.push('team/app', '1.0', 'one');
      const ask = (text: string) =>
        registry.resolve({ ownerId, image: ref(`${host}/team/app${text}`), signal: patience() });
      assert.equal((await ask(':1.0')).digest, first);
      assert.match(first, /^sha256:[0-9a-f]{64}$/);
      const second = await subject.push('team/app', '1.0', 'two');
      assert.notEqual(second, first);
      assert.equal((await ask(':1.0')).digest, second);
      assert.equal((await ask(`@${first}`)).digest, first);
      // As Docker reads it: with a digest the tag says nothing.
      assert.equal((await ask(`:gone@${first}`)).digest, first);
    });

    test('what is not there is told apart from what may not be seen', async () => {
      await using subject = await makeSubject();
      const { registry, stranger, host } = subject;
      const digest = await subject.push('team/app', '1.0', 'one');
      const ask = (from: ImageRegistry, text: string) =>
        from.resolve({ ownerId, image: ref(`${host}/${text}`), signal: patience() });
      await assert.rejects(ask(registry, 'team/app:2.0'), { code: 'image_not_found' });
      await assert.rejects(ask(registry, `team/app@sha256:${'0'.repeat(64)}`), { code: 'image_not_found' });
      if (stranger) await assert.rejects(ask(stranger, 'team/app:1.0'), { code: 'image_forbidden' });
      assert.equal((await ask(registry, 'team/app:1.0')).digest, digest);
    });

    test('other registries are refused by the configuration alone', async () => {
      await using subject = await makeSubject();
      const image = ref('registry.invalid/team/app:1.0');
      await assert.rejects(subject.registry.assertAllowed(ownerId, image), { code: 'policy_refused' });
      await assert.rejects(subject.registry.resolve({ ownerId, image, signal: patience() }), {
        code: 'policy_refused',
      });
      await subject.registry.assertAllowed(ownerId, ref(`${subject.host}/any/thing`));
    });

    test('a registry that is away is unavailable, not empty', async () => {
      await using subject = await makeSubject();
      const image = ref(`${subject.host}/team/app:1.0`);
      await subject.push('team/app', '1.0', 'one');
      await subject.stop();
      await assert.rejects(subject.registry.resolve({ ownerId, image, signal: patience() }), {
        code: 'registry_unavailable',
      });
    });

    test('an aborted question ends at once', async () => {
      await using subject = await makeSubject();
      const image = ref(`${subject.host}/team/app:1.0`);
      const reason = new Error('never mind');
      const aborted = AbortSignal.abort(reason);
      await assert.rejects(subject.registry.resolve({ ownerId, image, signal: aborted }), reason);
    });
  });
}
