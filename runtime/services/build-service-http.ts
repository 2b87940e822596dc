import type { BuildService } from '../../core/build-service.ts';
import { buildServiceContract } from '../../core/calls/build-service-calls.ts';
import type { PendingDeploys } from '../../core/catalog.ts';
import type { LogLine } from '../../core/deploy.ts';
import { TowlineError } from '../../core/errors.ts';
import type { EventBus } from '../../core/events.ts';
import { backoffMs } from '../backoff.ts';
import { delay } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { type CallClientOptions, createCallClient } from './call-client.ts';
import { followEvents } from './follow-events.ts';
import { followPending } from './pending-replica.ts';

export interface HttpBuildServiceOptions extends CallClientOptions {
  logger: Logger;
  /** What the builder's pushes change is published here. Without it they are not followed, as a router needs none. */
  events?: EventBus | undefined;
}

/** The build service of another process. What waits is known from a table that is kept up to date. */
export interface HttpBuildService extends BuildService, PendingDeploys, AsyncDisposable {
  /** Whether its events and its waiting deploys are followed just now. */
  isConnected(): boolean;
}

const resume = { firstMs: 100, maxMs: 5_000 };
const maxResumes = 8;

interface Position {
  last: number;
  /** Since the last line. */
  breaks: number;
}

function isBreak(error: unknown): boolean {
  return error instanceof TowlineError && error.code === 'unavailable';
}

export function createHttpBuildService(options: HttpBuildServiceOptions): HttpBuildService {
  const { logger, events } = options;
  const client = createCallClient(buildServiceContract, options);
  const pending = followPending((signal) => client.items('pending', {}, signal), logger);
  const follower =
    events &&
    followEvents((after, signal) => client.items('events', { after }, signal), {
      events,
      logger,
      what: 'the events of the build-service',
    });

  /** Goes on after the last line when the connection breaks, until it breaks too often without a line in between. */
  async function* log(pushId: string, after: number, signal: AbortSignal): AsyncGenerator<LogLine> {
    const position = { last: after, breaks: 0 };
    while (!signal.aborted) {
      try {
        return yield* linesAfter(pushId, position, signal);
      } catch (error) {
        if (signal.aborted) return;
        position.breaks += 1;
        if (!isBreak(error) || position.breaks > maxResumes) throw error;
      }
      await delay(backoffMs(position.breaks, resume), signal).catch(() => undefined);
    }
  }

  async function* linesAfter(
    pushId: string,
    position: Position,
    signal: AbortSignal,
  ): AsyncGenerator<LogLine> {
    for await (const line of client.items('log', { pushId, after: position.last }, signal)) {
      position.breaks = 0;
      position.last = line.n;
      yield line;
    }
  }

  return {
    pushes: (query) => client.ask('pushes', query),
    push: (id) => client.ask('push', { id }),
    deploy: (id) => client.ask('deploy', { id }),
    latestDeploys: (owner, environment) => client.ask('latestDeploys', { owner, environment }),
    heldDeploys: (owner) => client.ask('heldDeploys', { owner }),
    announce: (image) => client.ask('announce', image),
    log,
    rebuild: (pushId, actor, { force } = {}) => client.ask('rebuild', { pushId, actor, force }),
    cancel: (pushId, actor) => client.ask('cancel', { pushId, actor }),
    pending: pending.pending,
    isConnected: () => pending.isConnected() && (follower?.isConnected() ?? true),
    async [Symbol.asyncDispose]() {
      await pending[Symbol.asyncDispose]();
      await follower?.[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
    },
  };
}
