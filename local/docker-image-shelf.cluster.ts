import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Docker from 'dockerode';
import { startDockerd } from '../test/containers/dockerd.ts';
import { createImageShelf } from './docker-image-shelf.ts';

const label = 'dev.towline.installation=ours';
const registry = 'docker.towline.internal';

describe('the shelf of images', () => {
  it('lists and removes images of this installation, and never others', async () => {
    await using daemon = await startDockerd();
    const base = await daemon.load('shell');
    async function image(labels: string[], ...names: string[]): Promise<string> {
      const container = await daemon.docker(['create', base]);
      const changes = labels.flatMap((one) => ['--change', `LABEL ${one}`]);
      const id = await daemon.docker(['commit', ...changes, container]);
      await daemon.docker(['rm', container]);
      for (const name of names) await daemon.docker(['tag', id, name]);
      return id.slice('sha256:'.length);
    }
    const ids = async () =>
      (await daemon.docker(['images', '--all', '--quiet', '--no-trunc'])).replaceAll('sha256:', '');
    const startedAt = Date.now() - 1000;
    const plain = await image([label], `${registry}/alice/a:1`);
    const untagged = await image([label, 'n=2']);
    const twice = await image([label, 'n=3'], `${registry}/alice/a:2`, `${registry}/alice/a:3`);
    const named = await image([label, 'n=4'], `${registry}/alice/a:4`, 'keep/me:1');
    const running = await image([label, 'n=5'], `${registry}/alice/a:5`);
    const foreign = await image(['dev.towline.installation=theirs'], `${registry}/alice/b:1`);
    await daemon.docker(['run', '--detach', '--name', 'user', `sha256:${running}`, 'sleep', '1000']);

    const shelf = createImageShelf(new Docker({ socketPath: daemon.host.slice('unix://'.length) }), {
      registry,
      label,
    });
    const listed = await shelf.list();
    assert.deepEqual(listed.map(({ name }) => name).sort(), [plain, untagged, twice, named, running].sort());
    assert.ok(listed.every(({ wantedAt }) => wantedAt >= startedAt && wantedAt <= Date.now() + 1000));

    for (const id of [plain, untagged, twice, named]) await shelf.remove(id);
    await assert.rejects(shelf.remove(running));
    const left = await ids();
    for (const id of [plain, untagged, twice]) assert.ok(!left.includes(id));
    for (const id of [named, running, foreign]) assert.ok(left.includes(id));
    assert.equal(
      await daemon.docker(['inspect', '--format', '{{.RepoTags}}', `sha256:${named}`]),
      '[keep/me:1]',
    );
    await daemon.docker(['rm', '--force', 'user']);
  });
});
