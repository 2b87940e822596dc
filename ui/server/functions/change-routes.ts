import Router from '@koa/router';
import type { Context } from 'koa';
import type { z } from 'zod';
import {
  HoldRequest,
  PromoteRequest,
  RevertRequest,
  type RevertResult,
  UndoRequest,
} from '../../../core/api.ts';
import type { Owner } from '../../../core/auth.ts';
import { defaultEnvironment } from '../../../core/environments.ts';
import { TowlineError } from '../../../core/errors.ts';
import type { EventBus } from '../../../core/events.ts';
import type { ManifestWriter, WriteOutcome, WrittenFunction } from '../../../core/manifest-writer.ts';
import type { Person } from '../../../core/source-event.ts';
import { jsonBody } from '../request/input.ts';
import { personOf, type Requester } from '../request/requester.ts';
import { notFound, type Scope } from '../request/scope.ts';
import { functionName } from './function-routes.ts';

export interface ChangeRoutesDeps {
  requester: Requester;
  scope: Scope;
  writer: ManifestWriter;
  events: EventBus;
}

const base = '/api/v1/owners/:owner';

interface Place {
  owner: string;
  ownerId: string;
  functionName: string;
  actor: Person;
}

/** What people do to deployed functions: each is one commit. */
export function changeRoutes(deps: ChangeRoutesDeps): Router {
  const { writer } = deps;
  const router = new Router();

  function changes<T extends z.ZodObject>(
    verb: string,
    schema: T,
    change: (asked: Place & z.infer<T>) => Promise<WriteOutcome>,
    environmentOf: (asked: z.infer<T>) => unknown = ({ environment }) => environment,
  ): void {
    router.post(`${base}/functions/:name/${verb}`, async (ctx) => {
      const { owner, actor } = await changer(deps, ctx, ctx.params['owner']);
      const name = functionName(owner, ctx.params['name']);
      const body = await jsonBody(ctx, schema);
      const asked = { ...body, owner: owner.slug, ownerId: owner.id, functionName: name, actor };
      const result = resultOf(await change(asked));
      const environment = environmentOf(body);
      const place = {
        functionName: name,
        environment: environment === undefined ? undefined : String(environment),
      };
      if (!result.unchanged) tell(deps, owner, place, result.commit);
      ctx.body = result;
    });
  }
  changes('revert', RevertRequest, (asked) => writer.revert(asked));
  changes('undo', UndoRequest, (asked) => writer.undo(asked));
  changes('hold', HoldRequest, (asked) => writer.hold(asked));
  changes('resume', HoldRequest, (asked) => writer.resume(asked));
  changes(
    'promote',
    PromoteRequest,
    (asked) => writer.promote(asked),
    ({ to }) => to,
  );

  router.get(`${base}/removals`, async (ctx) => {
    const identity = await deps.requester.identify(ctx);
    const owner = await deps.scope.owner(identity, ctx.params['owner'], 'read');
    ctx.body = await writer.removals(owner.id);
  });
  router.post(`${base}/removals/:id/confirm`, async (ctx) => {
    const { owner, actor } = await changer(deps, ctx, ctx.params['owner']);
    const id = ctx.params['id'] ?? '';
    const asked = (await writer.removals(owner.id)).find((removal) => removal.id === id);
    const outcome = await writer.confirmRemoval({ ownerId: owner.id, id, actor });
    const result = resultOf(outcome);
    for (const { functionName: name } of 'written' in outcome ? outcome.written : []) {
      tell(deps, owner, { functionName: name, environment: asked?.environment }, result.commit);
    }
    deps.events.publish({ type: 'removals.changed', ownerId: owner.id, owner: owner.slug });
    ctx.body = result;
  });
  router.post(`${base}/removals/:id/reject`, async (ctx) => {
    const { owner, actor } = await changer(deps, ctx, ctx.params['owner']);
    const id = ctx.params['id'] ?? '';
    if (!(await writer.rejectRemoval({ ownerId: owner.id, id, actor }))) throw notFound('removal');
    deps.events.publish({ type: 'removals.changed', ownerId: owner.id, owner: owner.slug });
    ctx.body = { id, state: 'rejected' };
  });
  return router;
}

/** Who may change the owner of the path. Throws `not_found` and `forbidden`. */
export async function changer(
  { requester, scope }: ChangeRoutesDeps,
  ctx: Context,
  slug: string | undefined,
): Promise<{ owner: Owner; actor: Person }> {
  const identity = await requester.identify(ctx);
  return { owner: await scope.owner(identity, slug, 'change'), actor: personOf(identity) };
}

/** Publishes that a commit changed a function. */
export function tell(
  { events }: ChangeRoutesDeps,
  owner: Owner,
  { functionName: name, environment }: { functionName: string; environment: string | undefined },
  commit: string,
): void {
  const where = environment === undefined || environment === defaultEnvironment ? {} : { environment };
  const place = { ownerId: owner.id, owner: owner.slug, ...where, functionName: name };
  events.publish({ type: 'history.changed', ...place, commit });
}

function warningsOf(written: readonly WrittenFunction[]): Pick<RevertResult, 'warnings'> {
  const warnings = written.flatMap((one) => one.warnings ?? []);
  return warnings.length > 0 ? { warnings } : {};
}

/** Throws what nothing became of. */
export function resultOf(outcome: WriteOutcome): RevertResult {
  switch (outcome.type) {
    case 'pushed':
    case 'unchanged':
      return {
        commit: outcome.commit,
        number: outcome.written[0]?.number ?? 0,
        unchanged: outcome.type === 'unchanged',
        ...warningsOf(outcome.written),
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
