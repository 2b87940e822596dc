import type { RequestListener } from 'node:http';
import { manifestWriterContract, type WriteInput } from '../../core/calls/manifest-writer-calls.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import type { EventBus } from '../../core/events.ts';
import type { ManifestWriter, WriteDelay, WriteOptions, WriteOutcome } from '../../core/manifest-writer.ts';
import type { GitOpsBranch, GitOpsCommits } from '../../core/reconciler.ts';
import {
  type CallServerOptions,
  type CallTools,
  createCallServer,
} from '../../runtime/services/call-server.ts';
import { createEventFeed } from '../../runtime/services/event-feed.ts';

export interface ManifestWriterCallsOptions extends CallServerOptions {
  /** Of this process: `hold.ended` has to be published here; what calls change is published by this. */
  events: EventBus;
}

interface Place {
  owner: string;
  ownerId: string;
  environment?: string | undefined;
}

type Write<Intent> = (intent: Intent, signal?: AbortSignal, options?: WriteOptions) => Promise<WriteOutcome>;

/** `/calls/manifest-writer/…`: the writer for other processes. */
export function createManifestWriterCalls(
  writer: ManifestWriter & GitOpsBranch & { commits: GitOpsCommits },
  options: ManifestWriterCallsOptions,
): RequestListener {
  const { events } = options;
  const feed = createEventFeed(events, ['history.changed', 'hold.ended', 'removals.changed']);

  /** Deploys are told of by whoever builds, which knows more about them. */
  function tell({ owner, ownerId, environment }: Place, outcome: WriteOutcome): void {
    if (outcome.type === 'needs-confirmation') events.publish({ type: 'removals.changed', owner, ownerId });
    if (outcome.type !== 'pushed') return;
    const { commit } = outcome;
    const place = environment === defaultEnvironment ? {} : { environment };
    for (const { functionName } of outcome.written) {
      events.publish({ type: 'history.changed', owner, ownerId, ...place, functionName, commit });
    }
  }

  /** Once accepted it goes on, whether or not the caller is still there to hear of its end. */
  function write<Intent>(verb: Write<Intent>, placeOf?: (intent: Intent) => Place) {
    return async (
      { intent, id, isPatient }: WriteInput<Intent>,
      { signal, tell: tellCaller }: CallTools<WriteDelay | null>,
    ): Promise<WriteOutcome> => {
      const onWaiting = (delay: WriteDelay | undefined) =>
        void tellCaller(delay ?? null).catch(() => undefined);
      const outcome = await verb(intent, signal, {
        id,
        stays: true,
        ...(isPatient ? { onWaiting } : {}),
      });
      if (placeOf) tell(placeOf(intent), outcome);
      return outcome;
    };
  }

  const own = <T extends Place>(intent: T): Place => intent;
  return createCallServer(
    manifestWriterContract,
    {
      deploy: write(writer.deploy),
      remove: write(writer.remove, own),
      revert: write(writer.revert, own),
      secrets: write(writer.secrets),
      undo: write(writer.undo, own),
      hold: write(writer.hold, own),
      resume: write(writer.resume, own),
      promote: write(writer.promote, ({ to, ...place }) => ({ ...place, environment: to })),
      afterHold: (query) => writer.afterHold(query),
      withdraw: (query) => writer.withdraw(query),
      removals: ({ ownerId }) => writer.removals(ownerId),
      async confirmRemoval(answer) {
        const asked = (await writer.removals(answer.ownerId)).find(({ id }) => id === answer.id);
        const outcome = await writer.confirmRemoval(answer);
        if (asked) {
          tell(asked, outcome);
          events.publish({ type: 'removals.changed', owner: asked.owner, ownerId: asked.ownerId });
        }
        return outcome;
      },
      async rejectRemoval(answer) {
        const asked = (await writer.removals(answer.ownerId)).find(({ id }) => id === answer.id);
        const isRejected = await writer.rejectRemoval(answer);
        if (asked) events.publish({ type: 'removals.changed', owner: asked.owner, ownerId: asked.ownerId });
        return isRejected;
      },
      history: (query) => writer.history(query),
      diff: (query) => writer.diff(query),
      at: (query) => writer.at(query),
      configuration: (query) => writer.configuration(query),
      current: ({ owner, environment }) => writer.current(owner, environment),
      contains: ({ head, commit }) => writer.commits.contains(head, commit),
      wantedDigest: ({ commit, ...place }) => writer.commits.wantedDigest(commit, place),
      look: ({ commit }, { signal }) => writer.look(commit, signal),
      async events({ after }, { signal, tell: tellCaller }) {
        for await (const item of feed.follow(after, signal)) await tellCaller(item);
      },
    },
    options,
  );
}
