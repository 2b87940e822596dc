import Router from '@koa/router';
import { z } from 'zod';
import type { FunctionDetail } from '../../../core/api.ts';
import type { Owner } from '../../../core/auth.ts';
import type { FunctionCatalog } from '../../../core/catalog.ts';
import type { ManifestWriter } from '../../../core/manifest-writer.ts';
import { CommitSha, whyNotFunction } from '../../../core/names.ts';
import { query, wholeNumber } from '../request/input.ts';
import type { Requester } from '../request/requester.ts';
import { notFound, type Scope } from '../request/scope.ts';
import type { FunctionRows } from './function-rows.ts';

export interface FunctionRoutesDeps {
  requester: Requester;
  scope: Scope;
  rows: FunctionRows;
  writer: ManifestWriter;
  catalog: FunctionCatalog;
}

const base = '/api/v1/owners/:owner/functions';
const HistoryParameters = z.object({
  limit: wholeNumber({ min: 1, max: 500 }).default(50),
  before: CommitSha.optional(),
});
const DiffParameters = z.object({ from: CommitSha.optional(), to: CommitSha });

/** Functions and their history from git. */
export function functionRoutes(deps: FunctionRoutesDeps): Router {
  const { requester, scope, writer } = deps;
  const router = new Router();

  router.get(base, async (ctx) => {
    const identity = await requester.identify(ctx);
    ctx.body = await deps.rows.all(scope.owner(identity, ctx.params['owner'], 'read'));
  });
  router.get(`${base}/:name`, async (ctx) => {
    const identity = await requester.identify(ctx);
    const owner = scope.owner(identity, ctx.params['owner'], 'read');
    ctx.body = await detail(deps, owner, functionName(owner, ctx.params['name']));
  });
  router.get(`${base}/:name/history`, async (ctx) => {
    const identity = await requester.identify(ctx);
    const owner = scope.owner(identity, ctx.params['owner'], 'read');
    const name = functionName(owner, ctx.params['name']);
    const { limit, before } = query(ctx, HistoryParameters);
    ctx.body = await writer.history({ owner: owner.slug, functionName: name, limit, before });
  });
  router.get(`${base}/:name/diff`, async (ctx) => {
    const identity = await requester.identify(ctx);
    const owner = scope.owner(identity, ctx.params['owner'], 'read');
    const name = functionName(owner, ctx.params['name']);
    const { from, to } = query(ctx, DiffParameters);
    ctx.body = await writer.diff({ owner: owner.slug, functionName: name, from: from ?? null, to });
  });
  return router;
}

export function functionName(owner: Owner, name: string | undefined): string {
  if (name === undefined || whyNotFunction(owner.slug, name) !== undefined) throw notFound('function');
  return name;
}

async function detail(deps: FunctionRoutesDeps, owner: Owner, name: string): Promise<FunctionDetail> {
  const summary = await deps.rows.one(owner, name);
  if (!summary) throw notFound('function');
  const [current = null] = await deps.writer.history({ owner: owner.slug, functionName: name, limit: 1 });
  const entry = deps.catalog.lookup(owner.slug, name);
  const at = current?.present ? { owner: owner.slug, functionName: name, commit: current.commit } : undefined;
  return {
    summary,
    entry: entry?.ownerId === owner.id ? entry : null,
    current,
    manifest: at ? await deps.writer.at(at) : null,
    environments: [],
  };
}
