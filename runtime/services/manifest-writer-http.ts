import { randomUUID } from 'node:crypto';
import { manifestWriterContract, type WriteInput } from '../../core/calls/manifest-writer-calls.ts';
import type { EventBus } from '../../core/events.ts';
import type { ManifestWriter, WriteDelay, WriteOptions, WriteOutcome } from '../../core/manifest-writer.ts';
import type { GitOpsBranch, GitOpsCommits } from '../../core/reconciler.ts';
import type { Logger } from '../logger.ts';
import { type CallClientOptions, createCallClient } from './call-client.ts';
import { followEvents } from './follow-events.ts';
import type { Follower } from './follow-forever.ts';

export interface HttpManifestWriterOptions extends CallClientOptions {
  logger: Logger;
  /** What the writer's other callers change, and which holds ended, is published here. Without it nothing is followed. */
  events?: EventBus | undefined;
}

/** The manifest-writer of another process. Intents stay once they are accepted: a signal only ends the waiting. */
export interface HttpManifestWriter extends ManifestWriter, GitOpsBranch, AsyncDisposable {
  commits: GitOpsCommits;
  /** Whether its events are followed just now. */
  isConnected(): boolean;
}

type Verb = 'deploy' | 'remove' | 'revert' | 'secrets' | 'undo' | 'hold' | 'resume' | 'promote';

export function createHttpManifestWriter(options: HttpManifestWriterOptions): HttpManifestWriter {
  const { logger, events } = options;
  const client = createCallClient(manifestWriterContract, options);
  const follower: Follower | undefined =
    events &&
    followEvents((after, signal) => client.items('events', { after }, signal), {
      events,
      logger,
      what: 'the events of the manifest-writer',
    });

  function write<Intent>(verb: Verb) {
    // All of them have inputs of the same form, which the compiler cannot know of a union of methods.
    const ask = client.ask as (
      verb: Verb,
      input: WriteInput<Intent>,
      asked: { signal?: AbortSignal | undefined; onItem(delay: WriteDelay | null): void },
    ) => Promise<WriteOutcome>;
    return (intent: Intent, signal?: AbortSignal, { onWaiting, id = randomUUID() }: WriteOptions = {}) =>
      ask(
        verb,
        { intent, id, isPatient: onWaiting !== undefined },
        { signal, onItem: (delay) => onWaiting?.(delay ?? undefined) },
      );
  }

  return {
    deploy: write('deploy'),
    remove: write('remove'),
    revert: write('revert'),
    secrets: write('secrets'),
    undo: write('undo'),
    hold: write('hold'),
    resume: write('resume'),
    promote: write('promote'),
    afterHold: (query) => client.ask('afterHold', query),
    withdraw: (query) => client.ask('withdraw', query),
    removals: (ownerId) => client.ask('removals', { ownerId }),
    confirmRemoval: (answer) => client.ask('confirmRemoval', answer),
    rejectRemoval: (answer) => client.ask('rejectRemoval', answer),
    history: (query) => client.ask('history', query),
    diff: (query) => client.ask('diff', query),
    at: (query) => client.ask('at', query),
    configuration: (query) => client.ask('configuration', query),
    current: (owner, environment) => client.ask('current', { owner, environment }),
    commits: {
      contains: (head, commit) => client.ask('contains', { head, commit }),
      wantedDigest: (commit, place) => client.ask('wantedDigest', { ...place, commit }),
    },
    look: (commit, signal) => client.ask('look', { commit }, { signal }),
    isConnected: () => follower?.isConnected() ?? true,
    async [Symbol.asyncDispose]() {
      await follower?.[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
    },
  };
}
