import Router from '@koa/router';
import type { Context } from 'koa';
import {
  HoldRequest,
  PromoteRequest,
  RevertRequest,
  type RevertResult,
  UndoRequest,
} from '../../../core/api.ts';
import type { Owner } from '../../../core/auth.ts';
import { TowlineError } from '../../../core/errors.ts';
import type { EventBus } from '../../../core/events.ts';
import type { ManifestWriter, WriteOutcome } from '../../../core/manifest-writer.ts';
import type { Person } from '../../../core/source-event.ts';
import { jsonBody } from '../request/input.ts';
import { personOf, type Requester } from '../request/requester.ts';
import { notFound, type Scope } from '../request/scope.ts';
import type { DeployHistory } from './deploy-history.ts';
import { functionName } from './function-routes.ts';

export interface ChangeRoutesDeps {
  requester: Requester;
  scope: Scope;
  history: DeployHistory;
  writer: ManifestWriter;
  events: EventBus;
}

const base = '/api/v1/owners/:owner';

interface Place {
  owner: string;
  functionName: string;
  actor: Person;
}

/** What people do to deployed functions: each is one commit. */
export function changeRoutes(deps: ChangeRoutesDeps): Router {
  const { writer } = deps;
  const router = new Router();

  function changes(verb: string, change: (place: Place, ctx: Context) => Promise<WriteOutcome>): void {
    router.post(`${base}/functions/:name/${verb}`, async (ctx) => {
      const { owner, actor } = await changer(deps, ctx, ctx.params['owner']);
      const name = functionName(owner, ctx.params['name']);
      const result = resultOf(await change({ owner: owner.slug, functionName: name, actor }, ctx));
      deps.history.invalidate(owner.slug, name);
      if (!result.unchanged) tell(deps, owner, name, result.commit);
      ctx.body = result;
    });
  }
  changes('revert', async (place, ctx) =>
    writer.revert({ ...place, ...(await jsonBody(ctx, RevertRequest)) }),
  );
  changes('undo', async (place, ctx) => writer.undo({ ...place, ...(await jsonBody(ctx, UndoRequest)) }));
  changes('hold', async (place, ctx) => writer.hold({ ...place, ...(await jsonBody(ctx, HoldRequest)) }));
  changes('resume', async (place, ctx) => writer.resume({ ...place, ...(await jsonBody(ctx, HoldRequest)) }));
  changes('promote', async (place, ctx) =>
    writer.promote({ ...place, ...(await jsonBody(ctx, PromoteRequest)) }),
  );

  router.get(`${base}/removals`, async (ctx) => {
    const identity = await deps.requester.identify(ctx);
    const owner = deps.scope.owner(identity, ctx.params['owner'], 'read');
    ctx.body = await writer.removals(owner.slug);
  });
  router.post(`${base}/removals/:id/confirm`, async (ctx) => {
    const { owner, actor } = await changer(deps, ctx, ctx.params['owner']);
    const outcome = await writer.confirmRemoval({ owner: owner.slug, id: ctx.params['id'] ?? '', actor });
    const result = resultOf(outcome);
    for (const { functionName: name } of 'written' in outcome ? outcome.written : []) {
      deps.history.invalidate(owner.slug, name);
      tell(deps, owner, name, result.commit);
    }
    deps.events.publish({ type: 'removals.changed', ownerId: owner.id, owner: owner.slug });
    ctx.body = result;
  });
  router.post(`${base}/removals/:id/reject`, async (ctx) => {
    const { owner, actor } = await changer(deps, ctx, ctx.params['owner']);
    const id = ctx.params['id'] ?? '';
    if (!(await writer.rejectRemoval({ owner: owner.slug, id, actor }))) throw notFound('removal');
    deps.events.publish({ type: 'removals.changed', ownerId: owner.id, owner: owner.slug });
    ctx.body = { id, state: 'rejected' };
  });
  return router;
}

async function changer(
  { requester, scope }: ChangeRoutesDeps,
  ctx: Context,
  slug: string | undefined,
): Promise<{ owner: Owner; actor: Person }> {
  const identity = await requester.identify(ctx);
  return { owner: scope.owner(identity, slug, 'change'), actor: personOf(identity) };
}

function tell({ events }: ChangeRoutesDeps, owner: Owner, functionName: string, commit: string): void {
  events.publish({ type: 'history.changed', ownerId: owner.id, owner: owner.slug, functionName, commit });
}

function resultOf(outcome: WriteOutcome): RevertResult {
  switch (outcome.type) {
    case 'pushed':
    case 'unchanged':
      return {
        commit: outcome.commit,
        number: outcome.written[0]?.number ?? 0,
        unchanged: outcome.type === 'unchanged',
      };
    case 'conflict':
      throw new TowlineError('conflict', outcome.message, {
        hint: 'look at the newest deploy, then decide again',
      });
    case 'refused':
      throw new TowlineError(outcome.code, outcome.message);
    case 'skipped':
      throw new TowlineError('manifest_refused', outcome.reason);
    case 'held':
      throw new TowlineError('conflict', outcome.reason, { hint: 'resume the function first' });
    case 'needs-confirmation':
      throw new TowlineError('conflict', outcome.message);
  }
}
