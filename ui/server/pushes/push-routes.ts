import { Readable } from 'node:stream';
import Router from '@koa/router';
import type { Context } from 'koa';
import { z } from 'zod';
import type { Identity } from '../../../core/access.ts';
import { RebuildRequest } from '../../../core/api.ts';
import type { BuildService } from '../../../core/build-service.ts';
import type { LogLine, PushRecord } from '../../../core/deploy.ts';
import { RepoName } from '../../../core/names.ts';
import type { Logger } from '../../../runtime/logger.ts';
import { hasBody, jsonBody, noBody, query, wholeNumber } from '../request/input.ts';
import { personOf, type Requester } from '../request/requester.ts';
import type { Scope } from '../request/scope.ts';
import { whileConnected } from '../request/while-connected.ts';
import type { OpenStream } from '../stream/sse-response.ts';
import { asText, linesSoFar } from './log-lines.ts';

export interface PushRoutesDeps {
  requester: Requester;
  scope: Scope;
  builds: BuildService;
  openStream: OpenStream;
  logger: Logger;
}

const maxLines = 10_000;
const lineNumber = wholeNumber({ min: 0, max: 1_000_000_000 });
const PushesParameters = z.object({
  repo: RepoName.optional(),
  limit: wholeNumber({ min: 1, max: 500 }).default(50),
});
const LogParameters = z.object({ after: lineNumber.default(0) });

/** Pushes, their logs (as JSON, as text, as a stream), building one again, and stopping one. */
export function pushRoutes(deps: PushRoutesDeps): Router {
  const { requester, scope, builds } = deps;
  const router = new Router({ prefix: '/api/v1' });

  router.get('/owners/:owner/pushes', async (ctx) => {
    const owner = await scope.owner(await requester.identify(ctx), ctx.params['owner'], 'read');
    const { repo, limit } = query(ctx, PushesParameters);
    const pushes = await builds.pushes({ owner: owner.slug, repo, limit });
    ctx.body = pushes.filter((push) => push.ownerId === owner.id);
  });
  router.get('/pushes/:id', async (ctx) => {
    ctx.body = await scope.push(await requester.identify(ctx), ctx.params['id'], 'read');
  });
  router.post('/pushes/:id/rebuild', async (ctx) => {
    const identity = await requester.identify(ctx);
    const push = await scope.push(identity, ctx.params['id'], 'change');
    const options = hasBody(ctx) ? await jsonBody(ctx, RebuildRequest) : {};
    ctx.status = 202;
    ctx.body = { id: await builds.rebuild(push.id, personOf(identity), options) };
  });
  router.post('/pushes/:id/cancel', async (ctx) => {
    const identity = await requester.identify(ctx);
    const push = await scope.push(identity, ctx.params['id'], 'change');
    await noBody(ctx);
    await builds.cancel(push.id, personOf(identity));
    ctx.status = 202;
    ctx.body = (await builds.push(push.id)) ?? push;
  });
  router.get('/pushes/:id/log', async (ctx) => {
    const push = await scope.push(await requester.identify(ctx), ctx.params['id'], 'read');
    const { after } = query(ctx, LogParameters);
    const lines: LogLine[] = [];
    for await (const line of linesSoFar(builds, push, after, whileConnected(ctx))) {
      if (lines.push(line) >= maxLines) break;
    }
    ctx.body = lines;
  });
  router.get('/pushes/:id/log.txt', async (ctx) => {
    const push = await scope.push(await requester.identify(ctx), ctx.params['id'], 'read');
    ctx.type = 'text/plain; charset=utf-8';
    ctx.body = Readable.from(logText(builds, push, whileConnected(ctx)), { objectMode: false });
  });
  router.get('/pushes/:id/log/stream', async (ctx) => {
    const identity = await requester.identify(ctx);
    const push = await scope.push(identity, ctx.params['id'], 'read');
    const parameters = query(ctx, LogParameters);
    const resumed = lineNumber.safeParse(ctx.get('Last-Event-ID'));
    await streamLog(deps, ctx, { identity, push, after: resumed.data ?? parameters.after });
  });
  return router;
}

async function* logText(builds: BuildService, push: PushRecord, signal: AbortSignal): AsyncGenerator<string> {
  for await (const line of linesSoFar(builds, push, 0, signal)) yield asText(line);
}

async function streamLog(
  deps: PushRoutesDeps,
  ctx: Context,
  of: { identity: Identity; push: PushRecord; after: number },
): Promise<void> {
  using stream = deps.openStream(ctx, of.identity);
  try {
    for await (const line of deps.builds.log(of.push.id, of.after, stream.signal)) {
      stream.send({ id: String(line.n), name: 'line', data: line });
      await stream.drained();
    }
    stream.send({ name: 'end', data: {} });
  } catch (error) {
    if (!stream.signal.aborted) deps.logger.error({ err: error, pushId: of.push.id }, 'log stream failed');
  }
}
