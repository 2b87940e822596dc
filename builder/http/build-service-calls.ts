import type { RequestListener } from 'node:http';
import type { BuildService } from '../../core/build-service.ts';
import { buildServiceContract } from '../../core/calls/build-service-calls.ts';
import type { PendingDeploys } from '../../core/catalog.ts';
import { defaultEnvironment } from '../../core/environments.ts';
import type { EventBus } from '../../core/events.ts';
import { type CallServerOptions, createCallServer } from '../../runtime/services/call-server.ts';
import { createEventFeed } from '../../runtime/services/event-feed.ts';
import { createPendingTable } from './pending-table.ts';

export interface BuildServiceCallsOptions extends CallServerOptions {
  /** The builder's own. */
  events: EventBus;
  /** Of the installation; the default one if they are not given. */
  environments?: readonly string[] | undefined;
}

/** `/calls/build-service/…`: the builder for other processes. */
export function createBuildServiceCalls(
  builds: BuildService & PendingDeploys,
  options: BuildServiceCallsOptions,
): RequestListener {
  const { events, environments = [defaultEnvironment] } = options;
  const feed = createEventFeed(events, ['push.changed']);
  const pending = createPendingTable(builds, { events, environments });
  return createCallServer(
    buildServiceContract,
    {
      pushes: (query) => builds.pushes(query),
      push: ({ id }) => builds.push(id),
      deploy: ({ id }) => builds.deploy(id),
      latestDeploys: ({ owner, environment }) => builds.latestDeploys(owner, environment),
      heldDeploys: ({ owner }) => builds.heldDeploys(owner),
      announce: (image) => builds.announce(image),
      async log({ pushId, after }, { signal, tell }) {
        for await (const line of builds.log(pushId, after, signal)) await tell(line);
        // A log that ends because we stop is not at its end.
        signal.throwIfAborted();
      },
      rebuild: ({ pushId, actor, force }) => builds.rebuild(pushId, actor, { force }),
      cancel: ({ pushId, actor }) => builds.cancel(pushId, actor),
      async pending(_, { signal, tell }) {
        for await (const item of pending.follow(signal)) await tell(item);
      },
      async events({ after }, { signal, tell }) {
        for await (const item of feed.follow(after, signal)) await tell(item);
      },
    },
    options,
  );
}
