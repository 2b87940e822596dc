import { createHash } from 'node:crypto';
import { defaultEnvironment } from '../../core/environments.ts';
import type { RemoveIntent, WrittenFunction } from '../../core/manifest-writer.ts';
import { whyNotOwner } from '../../core/names.ts';
import { commitMessage } from '../message/commit-message.ts';
import { safeSignature } from '../message/ident.ts';
import { functionOfPath, isFunction, manifestPath, tenantFolder } from '../paths.ts';
import type { BranchView } from './branch-view.ts';
import { repositoryOf, whyNotTheirs } from './claims.ts';
import { type Decision, outcome, type PlannedIntent, type PlanningContext, refusedPlan } from './decision.ts';
import { environmentTrailer, noEnvironment, placementOf } from './placement.ts';
import { actorOf } from './plan-hold.ts';

/** Scopes whose functions the intent itself lists. */
const listed: ReadonlySet<RemoveIntent['scope']> = new Set(['functions', 'named'] as const);

/** One commit for all functions of the intent that still come from its repository. */
export function planRemove(intent: RemoveIntent, context: PlanningContext): PlannedIntent {
  const { owner, scope = 'functions' } = intent;
  if (whyNotOwner(owner) !== undefined) {
    return refusedPlan('not_found', `there is no owner "${owner}"`);
  }
  const placement = placementOf(intent.environment, context);
  if (!placement) return noEnvironment(intent.environment ?? '', context);
  const { environment } = placement;
  const named = [...new Set(intent.functionNames)].filter((name) => isFunction(owner, name)).sort();
  const isListed = listed.has(scope);
  const paths = isListed ? named.map((name) => manifestPath(owner, name, environment)) : [];

  async function decide(view: BranchView): Promise<Decision> {
    const notTheirs = await whyNotTheirs(view, intent, environment);
    if (notTheirs) return notTheirs;
    const present = await functionsOf(view, owner, environment);
    const names = isListed ? named : present;
    const going = await goingOf(view, intent, { names, environment });
    if (going === undefined) return { type: 'later' };
    if (going.length === 0) return nothingToRemove(view, intent, names);
    const newer = whyNewer(intent, going);
    if (newer !== undefined) return outcome({ type: 'conflict', message: newer });
    return guarded(intent, context, going, present.length) ?? removal(intent, context, going);
  }
  return { paths, decide };
}

/** `undefined`: the batch changes one of them before. */
async function goingOf(
  view: BranchView,
  intent: RemoveIntent,
  { names, environment }: { names: readonly string[]; environment: string },
): Promise<Going[] | undefined> {
  const going: Going[] = [];
  for (const functionName of names) {
    const path = manifestPath(intent.owner, functionName, environment);
    if (view.isPending(path)) return undefined;
    const text = await view.text(path);
    if (text === null || !isMeant(text, intent)) continue;
    const newest = (await view.history()).newest(path)?.commit ?? '';
    going.push({ functionName, path, newest, number: await view.nextNumber(path) });
  }
  return going;
}

function isMeant(manifest: string, { scope, repo }: RemoveIntent): boolean {
  return scope === 'named' || scope === 'tenant' || repositoryOf(manifest) === repo;
}

type Going = WrittenFunction & { path: string; newest: string };

/** Who said yes saw other versions: what was deployed, held or edited since is not what they meant. */
function whyNewer({ newest: seen }: RemoveIntent, going: readonly Going[]): string | undefined {
  if (seen === undefined) return undefined;
  const newer = going.filter(({ functionName, newest }) => seen[functionName] !== newest);
  const [first] = newer;
  if (!first) return undefined;
  const more = newer.length > 1 ? ` and ${newer.length - 1} more` : '';
  const changed = `${first.functionName}${more} changed since this removal was asked for`;
  return `${changed}; nothing is removed. Push again, or remove what should go`;
}

async function functionsOf(view: BranchView, owner: string, environment: string): Promise<string[]> {
  const folder = tenantFolder(owner, environment);
  const files = await view.files(folder);
  return files.flatMap((file) => functionOfPath(`${folder}/${file}`)?.functionName ?? []);
}

function removal(intent: RemoveIntent, context: PlanningContext, going: Going[]): Decision {
  return {
    type: 'commit',
    written: going.map(({ functionName, number }) => ({ functionName, number })),
    commit: {
      message: message(intent, going),
      author: safeSignature(intent.confirmedBy ?? intent.actor),
      committer: context.committer,
      time: context.now(),
      changes: going.map(({ path }) => ({ path, content: null })),
    },
  };
}

function isElsewhere(environment: string | undefined): environment is string {
  return environment !== undefined && environment !== defaultEnvironment;
}

/** Functions that may go at once, and their share of the tenant's: the larger of the two counts. */
const freeCount = 25;
const freeShare = 0.3;

/** How much goes, and how much may without a question. */
function sizeOf({ together }: RemoveIntent, going: number, present: number) {
  const of = Math.max(present, together?.present ?? 0);
  const count = Math.max(going, together?.functions ?? 0);
  const others = count > going ? `, and ${count} together with those of other repositories,` : '';
  const what = `${going} of ${of} functions would be removed${others}`;
  return { count, limit: Math.max(freeCount, Math.floor(freeShare * of)), what };
}

/** A removal so large is more often a mistake of whoever listed the functions than somebody's wish. */
function guarded(
  intent: RemoveIntent,
  { waiting, now }: PlanningContext,
  going: readonly Going[],
  present: number,
): Decision | undefined {
  const { count, limit, what } = sizeOf(intent, going.length, present);
  if (count <= limit || intent.confirmedBy || !waiting) return undefined;
  const { owner, ownerId, environment, repo, scope = 'functions', reason } = intent;
  const functionNames = going.map(({ functionName }) => functionName);
  const where = isElsewhere(environment) ? [environment] : [];
  const names = listed.has(scope) ? functionNames : [];
  const key = JSON.stringify([ownerId, owner, repo, scope, names, ...where]);
  const id = createHash('sha256').update(key).digest('hex').slice(0, 16);
  const known = waiting.removal(id)?.removal;
  if (known?.state === 'rejected') return outcome({ type: 'skipped', reason: `removal ${id} was rejected` });
  const newest = Object.fromEntries(going.map((one) => [one.functionName, one.newest]));
  const place = isElsewhere(environment) ? { environment } : {};
  const from = { owner, ownerId, ...place, repo };
  const pending = { id, ...from, reason, actor: actorOf(intent), functionNames, limit };
  waiting.putRemoval(
    { ...pending, askedAt: known?.askedAt ?? now(), state: 'waiting' },
    { ...intent, newest },
  );
  const text = `${what} and ${limit} may go at once; confirm it with "towline removals confirm ${id}"`;
  return outcome({ type: 'needs-confirmation', id, functionNames, limit, message: text });
}

/** Asked again, or never deployed: the answer names the commits after which the functions were gone. */
async function nothingToRemove(view: BranchView, intent: RemoveIntent, names: string[]): Promise<Decision> {
  const written: WrittenFunction[] = [];
  let commit = view.head;
  for (const functionName of names) {
    const newest = (await view.history()).newest(
      manifestPath(intent.owner, functionName, intent.environment),
    );
    if (newest?.after !== null) continue;
    if (written.length === 0) commit = newest.commit;
    written.push({ functionName, number: newest.number });
  }
  return outcome({ type: 'unchanged', commit, written });
}

function message(intent: RemoveIntent, going: readonly WrittenFunction[]): string {
  const [only] = going;
  const where = isElsewhere(intent.environment) ? ` in ${intent.environment}` : '';
  const what =
    going.length === 1 && only
      ? `remove(${intent.owner}/${only.functionName}${where}): #${only.number}`
      : `remove(${intent.owner}${where}): ${going.length} functions`;
  return commitMessage(`${what} ${intent.reason}`, {
    'Towline-Kind': 'remove',
    'Towline-Function': going.map(({ functionName }) => `${intent.owner}/${functionName}`),
    ...environmentTrailer(intent.environment ?? defaultEnvironment),
    'Towline-Deploy': going.map(({ number }) => String(number)),
    'Towline-Source': intent.repo === '' ? null : `${intent.owner}/${intent.repo}`,
    'Towline-Source-Commit': intent.sourceCommit,
    'Towline-Actor': actorOf({ actor: intent.confirmedBy ?? intent.actor }),
    'Towline-Reason': intent.reason,
  });
}
