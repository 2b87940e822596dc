import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import type { RemoveIntent } from '../../core/manifest-writer.ts';
import { commitTo, exampleOf, startForgePlatform } from '../../test/forges/forge-platform.ts';
import { stackFiles } from '../pipeline/platform-in-memory.test.ts';
import {
  about,
  deployed,
  functions,
  installed,
  type Platform,
  shop,
  until,
} from './installations-fixture.ts';

/** A second repository of the account, with functions of its own. */
async function otherRepository(platform: Platform): Promise<{ id: number; name: string; full_name: string }> {
  const { github, installation, repository } = platform;
  const bare = join(dirname(platform.bare), 'other.git');
  cpSync(platform.bare, bare, { recursive: true });
  const other = { ...repository, id: repository.id + 5000, name: 'other' };
  installation.repositories.push(other);
  const named = { id: other.id, node_id: 'y', name: 'other', full_name: 'Acme/other', private: false };
  const base = platform.base('push');
  const known = base['repository'] as { clone_url: string };
  const clone_url = known.clone_url.replace('/shop.git', '/other.git');
  const { before, after } = commitTo(bare, stackFiles({ one: '1', two: '2' }));
  const range = { ref: 'refs/heads/main', before, after, created: false, deleted: false };
  await github.deliver('push', { ...base, ...range, repository: { ...known, ...named, clone_url } });
  await platform.builder().drain();
  return named;
}

function removals({ writer }: Platform) {
  const removed = writer.commits.filter(({ kind }) => kind === 'remove');
  return removed.map(({ repo, intent }) => [repo, (intent as RemoveIntent).together]);
}

const whole = { functions: 3, present: 3 };

describe('repositories that leave together', () => {
  it('are judged as a whole when nobody came back after an uninstallation', async () => {
    await using platform = await startForgePlatform({ config: { uninstallGraceMs: 50 } });
    await deployed(platform, 'one');
    await otherRepository(platform);
    assert.deepEqual(functions(platform), ['hello', 'one', 'two']);
    await installed(platform, 'deleted');
    // A start looks for what is overdue.
    await platform.restart();
    await until('the functions are removed', () => functions(platform).length === 0);
    assert.deepEqual(removals(platform).sort(), [
      ['other', whole],
      ['shop', whole],
    ]);
  });

  it('are judged as a whole when somebody takes the App from them', async () => {
    await using platform = await startForgePlatform();
    await deployed(platform, 'one');
    const other = await otherRepository(platform);
    const payload = { ...exampleOf('installation_repositories'), action: 'removed' };
    const event = { ...payload, installation: about(platform), repositories_added: [] };
    platform.installation.repositories = [];
    const both = [shop(platform), other];
    await platform.github.deliver('installation_repositories', { ...event, repositories_removed: both });
    await platform.builder().drain();
    assert.deepEqual(removals(platform).sort(), [
      ['other', whole],
      ['shop', whole],
    ]);
  });

  it('are judged by themselves if they leave one by one', async () => {
    await using platform = await startForgePlatform();
    await deployed(platform, 'one');
    const other = await otherRepository(platform);
    const payload = { ...exampleOf('installation_repositories'), action: 'removed' };
    const event = { ...payload, installation: about(platform), repositories_added: [] };
    platform.installation.repositories = [platform.repository];
    await platform.github.deliver('installation_repositories', { ...event, repositories_removed: [other] });
    await platform.builder().drain();
    assert.deepEqual(removals(platform), [['other', undefined]]);
    assert.deepEqual(functions(platform), ['hello']);
  });
});
