import Router from '@koa/router';
import { EnvironmentParameter, type FunctionDetail } from '../../../core/api.ts';
import type { Owner } from '../../../core/auth.ts';
import type { ManifestWriter } from '../../../core/manifest-writer.ts';
import { CommitSha, whyNotFunction } from '../../../core/names.ts';
import { query, wholeNumber } from '../request/input.ts';
import type { Requester } from '../request/requester.ts';
import { notFound, type Scope } from '../request/scope.ts';
import type { EnvironmentRows } from './environment-rows.ts';

export interface FunctionRoutesDeps {
  requester: Requester;
  scope: Scope;
  rows: EnvironmentRows;
  writer: ManifestWriter;
}

const base = '/api/v1/owners/:owner/functions';
const HistoryParameters = EnvironmentParameter.extend({
  limit: wholeNumber({ min: 1, max: 500 }).default(50),
  before: CommitSha.optional(),
});
const DiffParameters = EnvironmentParameter.extend({ from: CommitSha.optional(), to: CommitSha });

/** Functions and their history from git. */
export function functionRoutes(deps: FunctionRoutesDeps): Router {
  const { requester, scope, writer } = deps;
  const router = new Router();

  router.get(base, async (ctx) => {
    const identity = await requester.identify(ctx);
    const owner = await scope.owner(identity, ctx.params['owner'], 'read');
    ctx.body = await deps.rows.all(owner, query(ctx, EnvironmentParameter).environment);
  });
  router.get(`${base}/:name`, async (ctx) => {
    const identity = await requester.identify(ctx);
    const owner = await scope.owner(identity, ctx.params['owner'], 'read');
    const { environment } = query(ctx, EnvironmentParameter);
    ctx.body = await detail(deps, owner, { name: functionName(owner, ctx.params['name']), environment });
  });
  router.get(`${base}/:name/history`, async (ctx) => {
    const identity = await requester.identify(ctx);
    const owner = await scope.owner(identity, ctx.params['owner'], 'read');
    const name = functionName(owner, ctx.params['name']);
    const page = query(ctx, HistoryParameters);
    ctx.body = await writer.history({ owner: owner.slug, functionName: name, ...page });
  });
  router.get(`${base}/:name/diff`, async (ctx) => {
    const identity = await requester.identify(ctx);
    const owner = await scope.owner(identity, ctx.params['owner'], 'read');
    const name = functionName(owner, ctx.params['name']);
    const { from = null, ...asked } = query(ctx, DiffParameters);
    ctx.body = await writer.diff({ owner: owner.slug, functionName: name, from, ...asked });
  });
  return router;
}

export function functionName(owner: Owner, name: string | undefined): string {
  if (name === undefined || whyNotFunction(owner.slug, name) !== undefined) throw notFound('function');
  return name;
}

async function detail(
  { rows, writer }: FunctionRoutesDeps,
  owner: Owner,
  asked: { name: string; environment: string | undefined },
): Promise<FunctionDetail> {
  const summary = await rows.one(owner, asked.name, asked.environment);
  if (!summary) throw notFound('function');
  const { environment, functionName } = summary;
  const place = { owner: owner.slug, environment, functionName };
  const [current = null] = await writer.history({ ...place, limit: 1 });
  const entry = rows.entry(owner, functionName, environment);
  return {
    summary,
    entry: entry?.ownerId === owner.id ? entry : null,
    current,
    manifest: current?.present ? await writer.at({ ...place, commit: current.commit }) : null,
    environments: await rows.states(owner, functionName),
  };
}
