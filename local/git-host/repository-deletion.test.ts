import assert from 'node:assert/strict';
import { cp, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { RepositoryDeletedEvent } from '../../core/source-event.ts';
import { describeRepositoryHost } from './repository-host.contract.ts';
import { createTestbed, type Testbed } from './testbed.ts';

const path = process.env['PATH'] ?? '';
const actor = { name: 'Alice', email: 'alice@example.com', login: 'alice' };

/** With `doomed` and `kept` of alice, pushed from the work tree `work`. */
async function createPushedTestbed(): Promise<Testbed> {
  const bed = await createTestbed(path);
  const cwd = await bed.workTree('work');
  for (const name of ['doomed', 'kept']) {
    const pushed = await bed.git(['push', bed.url(`alice/${name}.git`), 'main'], { as: 'alice', cwd });
    assert.equal(pushed.exitCode, 0, pushed.stderr);
  }
  bed.webhook.events.length = 0;
  return bed;
}

describeRepositoryHost('the git host', async () => {
  const bed = await createPushedTestbed();
  return {
    host: bed.host,
    owner: { slug: 'alice', id: 'id-alice' },
    other: 'bob',
    told: () => bed.webhook.events,
    [Symbol.asyncDispose]: () => bed[Symbol.asyncDispose](),
  };
});

describe('deleting a repository', { timeout: 120_000 }, () => {
  let bed: Testbed;
  beforeEach(async () => {
    bed = await createPushedTestbed();
  });
  afterEach(() => bed[Symbol.asyncDispose]());

  const trash = () => readdir(join(bed.dir, 'repos', '.deleted'));
  const names = async () => (await bed.host.list('alice')).map((repository) => repository.name);

  async function push(): Promise<{ exitCode: number | null; stderr: string }> {
    return bed.git(['push', bed.url('alice/doomed.git'), 'main'], {
      as: 'alice',
      cwd: join(bed.dir, 'work'),
    });
  }

  async function untilEmpty(): Promise<void> {
    while ((await trash()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  it('waits for a builder that is away, and keeps the name until then', async () => {
    bed.webhook.status = 400;

    await bed.host.delete('alice', 'doomed', actor);
    const tooEarly = await push();
    bed.webhook.status = 202;
    await bed.webhook.until(1);
    await untilEmpty();
    const afterwards = await push();

    assert.match(tooEarly.stderr, /is being deleted/);
    assert.equal(afterwards.exitCode, 0, afterwards.stderr);
    assert.deepEqual(
      bed.webhook.events.map((event) => event.type),
      ['repository-deleted', 'push'],
    );
  });

  it('is finished by the next start if it was cut off after the renaming', async () => {
    bed.webhook.status = 400;
    await bed.host.delete('alice', 'doomed', actor);
    await bed.host[Symbol.asyncDispose]();
    assert.equal((await trash()).length, 1);

    bed.webhook.status = 202;
    await bed.restart();
    const [event] = await bed.webhook.until(1);
    await untilEmpty();

    assert.equal(event?.type, 'repository-deleted');
    assert.equal(event?.repository.name, 'doomed');
    assert.deepEqual(await names(), ['kept']);
  });

  it('repeats the same event if it was cut off between the delivery and the removal', async () => {
    bed.webhook.status = 400;
    await bed.host.delete('alice', 'doomed', actor);
    await bed.host[Symbol.asyncDispose]();
    const saved = join(bed.dir, 'saved');
    await cp(join(bed.dir, 'repos', '.deleted'), saved, { recursive: true });
    bed.webhook.status = 202;
    await bed.restart();
    await bed.webhook.until(1);
    await untilEmpty();
    await bed.host[Symbol.asyncDispose]();

    await rm(join(bed.dir, 'repos', '.deleted'), { recursive: true });
    await rename(saved, join(bed.dir, 'repos', '.deleted'));
    await bed.restart();
    const [first, second] = await bed.webhook.until(2);
    await untilEmpty();

    assert.equal(first?.id, second?.id);
  });

  it('did not happen if it was cut off before the renaming', async () => {
    await bed.host[Symbol.asyncDispose]();
    const folder = join(bed.dir, 'repos', '.deleted', 'an-event');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'event.json'), '{"half');

    await bed.restart();

    assert.deepEqual(await names(), ['doomed', 'kept']);
    assert.deepEqual(await trash(), []);
    assert.deepEqual(bed.webhook.events, [] satisfies RepositoryDeletedEvent[]);
  });
});
