import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RepositoryDeletedEvent } from '../../core/source-event.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import { delay } from '../../runtime/lifecycle.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { WebhookClient } from './webhook-client.ts';

/**
 * Deletes repositories so that it is finished whatever happens: the event is written down, the repository
 * is renamed away, the event is delivered, the folder is removed. A start takes up what was left.
 */
export interface RepositoryDeletion extends AsyncDisposable {
  /** Resolves once the repository is gone and its event delivered, or will be retried. */
  delete(path: string, event: RepositoryDeletedEvent): Promise<void>;
  /** Whether its event is still to be delivered; until then the name must not be used again. */
  isPending(owner: string, name: string): boolean;
}

const eventFile = 'event.json';
const repositoryFolder = 'repository.git';
const key = (event: RepositoryDeletedEvent) => `${event.repository.owner}/${event.repository.name}`;

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The event of an unfinished deletion; `undefined` if the repository was never renamed away. */
async function leftover(folder: string): Promise<RepositoryDeletedEvent | undefined> {
  if (!(await exists(join(folder, repositoryFolder)))) return undefined;
  const text = await readFile(join(folder, eventFile), 'utf8');
  return RepositoryDeletedEvent.parse(JSON.parse(text));
}

/** Works in `<root>/.deleted`, and starts to finish what an earlier run left there. */
export async function openRepositoryDeletion(
  root: string,
  deps: { webhook: WebhookClient; logger: Logger },
): Promise<RepositoryDeletion> {
  const trash = join(root, '.deleted');
  const pending = new Set<string>();
  const running = new Set<Promise<void>>();
  const stopping = new AbortController();

  async function finish(folder: string, event: RepositoryDeletedEvent): Promise<void> {
    await deps.webhook.deliver(event, stopping.signal);
    pending.delete(key(event));
    // The folder goes last: while it is there, a start delivers the event again.
    await rm(folder, { recursive: true, force: true });
  }

  async function keepTrying(folder: string, event: RepositoryDeletedEvent): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await finish(folder, event);
      } catch (error) {
        if (stopping.signal.aborted) return;
        deps.logger.warn({ err: error, deliveryId: event.id }, 'a repository deletion waits for the builder');
        await delay(backoffMs(attempt, { firstMs: 500, maxMs: 60_000 }), stopping.signal);
      }
    }
  }

  function inBackground(folder: string, event: RepositoryDeletedEvent): void {
    const work = keepTrying(folder, event)
      .catch(() => {})
      .finally(() => running.delete(work));
    running.add(work);
  }

  async function takeUp(folder: string): Promise<void> {
    const event = await leftover(folder);
    if (!event) return rm(folder, { recursive: true, force: true });
    pending.add(key(event));
    inBackground(folder, event);
  }

  await mkdir(trash, { recursive: true, mode: 0o700 });
  for (const name of await readdir(trash)) {
    await takeUp(join(trash, name)).catch((error: unknown) =>
      deps.logger.error({ err: error, folder: name }, 'an unfinished repository deletion cannot be read'),
    );
  }

  return {
    async delete(path, event) {
      const folder = join(trash, event.id);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, eventFile), JSON.stringify(event), { flush: true });
      pending.add(key(event));
      try {
        await rename(path, join(folder, repositoryFolder));
      } catch (error) {
        pending.delete(key(event));
        await rm(folder, { recursive: true, force: true });
        throw error;
      }
      await finish(folder, event).catch((error: unknown) => {
        deps.logger.warn({ err: error, deliveryId: event.id }, 'a repository deletion waits for the builder');
        inBackground(folder, event);
      });
    },
    isPending: (owner, name) => pending.has(`${owner}/${name}`),
    async [Symbol.asyncDispose]() {
      stopping.abort(new Error('the git host stops'));
      await Promise.all(running);
    },
  };
}
