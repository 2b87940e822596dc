import Router from '@koa/router';
import { type RemovalResult, RemoveManyParameters, RemoveParameters } from '../../../core/api.ts';
import type { Owner } from '../../../core/auth.ts';
import { TowlineError } from '../../../core/errors.ts';
import type { RemoveIntent, WriteOutcome } from '../../../core/manifest-writer.ts';
import { noBody, query } from '../request/input.ts';
import { notFound } from '../request/scope.ts';
import { type ChangeRoutesDeps, changer, resultOf, tell } from './change-routes.ts';
import { functionName } from './function-routes.ts';

const base = '/api/v1/owners/:owner/functions';

type Asked = Pick<RemoveIntent, 'environment' | 'reason' | 'actor' | 'functionNames' | 'repo' | 'scope'>;

/** Functions that a person takes away: one, those of a repository, or all of an owner's in one environment. */
export function removeRoutes(deps: ChangeRoutesDeps): Router {
  const { writer, events } = deps;
  const router = new Router();

  async function remove(owner: Owner, asked: Asked): Promise<RemovalResult> {
    const reason = asked.reason === '' ? 'asked for by a person' : asked.reason;
    const outcome = await writer.remove({
      ...asked,
      owner: owner.slug,
      ownerId: owner.id,
      sourceCommit: null,
      reason,
    });
    const result = removalOf(outcome);
    if (result.waiting) {
      events.publish({ type: 'removals.changed', ownerId: owner.id, owner: owner.slug });
      return result;
    }
    const { commit, unchanged } = result;
    if (commit === null || unchanged) return result;
    for (const name of result.functionNames) {
      tell(deps, owner, { functionName: name, environment: asked.environment }, commit);
    }
    return result;
  }

  router.delete(`${base}/:name`, async (ctx) => {
    const { owner, actor } = await changer(deps, ctx, ctx.params['owner']);
    const name = functionName(owner, ctx.params['name']);
    const { environment, reason } = query(ctx, RemoveParameters);
    await noBody(ctx);
    const found = await writer.current(owner.slug, environment);
    const repo = found.find((one) => one.functionName === name)?.repo ?? '';
    // By its name alone: a manifest that a person broke says no repository, and can go all the same.
    const asked: Asked = { environment, reason, actor, repo, functionNames: [name], scope: 'named' };
    const result = await remove(owner, asked);
    if (result.functionNames.length === 0) throw notFound('function');
    ctx.body = result;
  });

  router.delete(base, async (ctx) => {
    const { owner, actor } = await changer(deps, ctx, ctx.params['owner']);
    const { environment, reason, repo, all } = query(ctx, RemoveManyParameters);
    await noBody(ctx);
    if ((repo === undefined) === (all === undefined)) {
      throw new TowlineError('bad_request', 'the query: has to name a "repo", or say "all=true"');
    }
    const which = {
      repo: repo ?? '',
      scope: repo === undefined ? ('tenant' as const) : ('repository' as const),
    };
    const result = await remove(owner, { environment, reason, actor, functionNames: [], ...which });
    if (result.waiting) ctx.status = 202;
    ctx.body = result;
  });
  return router;
}

function removalOf(outcome: WriteOutcome): RemovalResult {
  if (outcome.type === 'needs-confirmation') {
    const { id, limit, functionNames } = outcome;
    return { functionNames, commit: null, unchanged: false, waiting: { id, limit } };
  }
  if (outcome.type === 'skipped') {
    throw new TowlineError('conflict', outcome.reason, {
      hint: 'it can still be confirmed: "towline removals"',
    });
  }
  const { commit, unchanged } = resultOf(outcome);
  const functionNames = 'written' in outcome ? outcome.written.map((one) => one.functionName) : [];
  return { functionNames, commit, unchanged, waiting: null };
}
