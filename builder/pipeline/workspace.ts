import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import type { PushEvent } from '../../core/source-event.ts';
import type { Slot } from '../queue/fair-slots.ts';
import { refHead } from '../source/branch-head.ts';
import { type FetchedCommit, fetchCommit } from '../source/fetch-commit.ts';
import { patiently } from './patiently.ts';
import { interruption, type PipelineContext, type PushTask, Superseded } from './pipeline-context.ts';

const cloneTimeoutMs = 10 * 60_000;
/** A commit that is the head of its ref and still can't be fetched is a broken repository, not an outage. */
const maxBrokenFetches = 5;

/** The files of one push, on the disk until disposed. */
export interface Workspace extends FetchedCommit, AsyncDisposable {
  /** A new path for a build context. */
  contextDir(): string;
}

/** Throws `Superseded` if the ref no longer points to the push's commit; `remote_unavailable` if that can't be known. */
export async function checkHead(task: PushTask, context: PipelineContext, event: PushEvent): Promise<void> {
  const location = await context.sourceAccess.locate(event.repository, event);
  const source = { location, path: context.config.path };
  const head = await refHead(source, event.ref, interruption(task, context));
  if (head === event.after) return;
  if (head === undefined) throw new Superseded('the deletion of its branch');
  if (await context.isPassedOver(event, head)) return;
  context.onStale(task.delivery, head);
  throw new Superseded(`${head.slice(0, 7)}, which is now the head of the branch`);
}

/** Throws `Superseded` if the branch is somewhere else. Waits for a source that is away. */
export function awaitHead(task: PushTask, context: PipelineContext, event: PushEvent): Promise<void> {
  const signal = interruption(task, context);
  return patiently(task, context, { stage: 'clone', signal }, () => checkHead(task, context, event));
}

function createWorkspace(dir: string, slot: Slot, fetched: FetchedCommit): Workspace {
  return {
    ...fetched,
    contextDir: () => join(dir, 'contexts', randomUUID()),
    async [Symbol.asyncDispose]() {
      await rm(dir, { recursive: true, force: true, maxRetries: 3 });
      slot.release();
    },
  };
}

/** Clones the push's commit. Waits for a source that is away, without holding a place meanwhile. */
export async function openWorkspace(
  task: PushTask,
  context: PipelineContext,
  event: PushEvent,
): Promise<Workspace> {
  const signal = interruption(task, context);
  const { config } = context;
  let broken = 0;

  async function attempt(): Promise<Workspace> {
    const location = await context.sourceAccess.locate(event.repository, event);
    const slot = await context.workspaces.acquire(event.repository.owner, signal);
    const dir = join(context.workDir, randomUUID());
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const fetched = await fetchCommit({
        source: { location, path: config.path },
        ref: event.ref,
        commit: event.after,
        dir,
        maxBytes: 2 * config.maxContextBytes,
        timeoutMs: cloneTimeoutMs,
        signal,
      });
      return createWorkspace(dir, slot, fetched);
    } catch (error) {
      await rm(dir, { recursive: true, force: true, maxRetries: 3 });
      slot.release();
      signal.throwIfAborted();
      if (error instanceof TowlineError && error.code === 'remote_unavailable') {
        // Throws if the commit is gone because the ref moved on, or if the source can't be reached at all.
        await checkHead(task, context, event);
        broken += 1;
        if (broken >= maxBrokenFetches)
          throw new TowlineError('source_unavailable', error.message, { cause: error });
      }
      throw error;
    }
  }

  return patiently(task, context, { stage: 'clone', signal }, attempt);
}
