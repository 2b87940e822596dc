import { Readable } from 'node:stream';
import Router from '@koa/router';
import type { Identity } from '../../../core/access.ts';
import { EnvironmentParameter } from '../../../core/api.ts';
import type { LogLine } from '../../../core/deploy.ts';
import type { ServedEnvironment } from '../../../core/environments.ts';
import { TowlineError } from '../../../core/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';
import { asText } from '../pushes/log-lines.ts';
import { query, wholeNumber } from '../request/input.ts';
import type { Requester } from '../request/requester.ts';
import { notFound, type Scope } from '../request/scope.ts';
import { whileConnected } from '../request/while-connected.ts';
import type { OpenStream } from '../stream/sse-response.ts';
import type { EnvironmentRows } from './environment-rows.ts';
import { functionName } from './function-routes.ts';

export interface OutputRoutesDeps {
  requester: Requester;
  scope: Scope;
  rows: EnvironmentRows;
  environments: readonly ServedEnvironment[];
  openStream: OpenStream;
  logger: Logger;
}

const base = '/api/v1/owners/:owner/functions/:name/output';
const maxLines = 10_000;
const OutputParameters = EnvironmentParameter.extend({
  lines: wholeNumber({ min: 1, max: maxLines }).default(1_000),
});

type Read = (options: { last: number; follow: boolean }, signal: AbortSignal) => AsyncIterable<LogLine>;

/** What running functions print: as JSON, as text, and as a stream that begins anew with each connection. */
export function outputRoutes(deps: OutputRoutesDeps): Router {
  const { requester } = deps;
  const router = new Router();

  router.get(base, async (ctx) => {
    const { lines: last, environment } = query(ctx, OutputParameters);
    const read = await reader(deps, await requester.identify(ctx), { ...ctx.params, environment });
    const lines: LogLine[] = [];
    for await (const line of read({ last, follow: false }, whileConnected(ctx))) lines.push(line);
    ctx.body = lines;
  });
  router.get(`${base}.txt`, async (ctx) => {
    const { environment } = query(ctx, EnvironmentParameter);
    const read = await reader(deps, await requester.identify(ctx), { ...ctx.params, environment });
    ctx.type = 'text/plain; charset=utf-8';
    ctx.body = Readable.from(timed(read({ last: Infinity, follow: false }, whileConnected(ctx))), {
      objectMode: false,
    });
  });
  router.get(`${base}/stream`, async (ctx) => {
    const { lines: last, environment } = query(ctx, OutputParameters);
    const identity = await requester.identify(ctx);
    const read = await reader(deps, identity, { ...ctx.params, environment });
    using stream = deps.openStream(ctx, identity);
    try {
      stream.send({ name: 'start', data: {} });
      for await (const line of read({ last, follow: true }, stream.signal)) {
        stream.send({ name: 'line', data: line });
        await stream.drained();
      }
      if (!stream.signal.aborted) stream.send({ name: 'end', data: {} });
    } catch (error) {
      if (!stream.signal.aborted) deps.logger.error({ err: error }, 'the stream of an output failed');
    }
  });
  return router;
}

/** The name alone would not do: what another owner's function printed under it is none of theirs. */
async function reader(
  { scope, rows, environments }: OutputRoutesDeps,
  identity: Identity,
  asked: { owner?: string; name?: string; environment: string | undefined },
): Promise<Read> {
  const owner = await scope.owner(identity, asked.owner, 'read');
  const name = functionName(owner, asked.name);
  const summary = await rows.one(owner, name, asked.environment);
  if (!summary) throw notFound('function');
  const entry = rows.entry(owner, name, summary.environment);
  const output = environments.find((one) => one.name === summary.environment)?.output;
  if (!output) {
    throw new TowlineError('not_found', 'what functions print is not kept by this platform', {
      hint: `kubectl logs has it, of the pods of ${owner.slug}-${name}`,
    });
  }
  if (entry?.ownerId !== owner.id) return async function* none() {};
  return (options, signal) => output.lines({ owner: owner.slug, functionName: name }, options, signal);
}

async function* timed(lines: AsyncIterable<LogLine>): AsyncGenerator<string> {
  for await (const line of lines) {
    yield `${new Date(line.time).toISOString()} ${asText({ ...line, functionName: null })}`;
  }
}
