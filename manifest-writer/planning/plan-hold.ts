import { gitLabels } from '../../core/function-spec.ts';
import type { HoldIntent } from '../../core/manifest-writer.ts';
import { type HeldManifest, heldReason, holdText, readHeld, withHold } from '../holding/hold.ts';
import { commitMessage } from '../message/commit-message.ts';
import { safeSignature } from '../message/ident.ts';
import { readFunction } from '../render/read-function.ts';
import type { BranchView } from './branch-view.ts';
import { whyNotTheirs } from './claims.ts';
import { type Decision, outcome, type PlannedIntent, type PlanningContext, refused } from './decision.ts';
import { environmentTrailer, type FunctionPlacement, locate, refusedUnreadable } from './placement.ts';

/** One commit that sets or takes away the hold in the function's manifest, and nothing else. */
export function planHold(
  kind: 'hold' | 'resume',
  intent: HoldIntent,
  context: PlanningContext,
): PlannedIntent {
  const { functionName } = intent;
  const { place, refusal } = locate(intent, context);
  if (!place) return refusal;
  const { path } = place;
  const change: HoldChange = { kind, intent, context, place };

  async function decide(view: BranchView): Promise<Decision> {
    const notTheirs = await whyNotTheirs(view, intent, change.place.environment);
    if (notTheirs) return notTheirs;
    const text = await view.text(path);
    if (text === null) return refused('not_found', `there is no function "${place?.name}"`);
    const held = readHeld(text);
    if (!held) return refusedUnreadable(change.place);
    const isHeld = held.hold !== undefined;
    if (isHeld !== (kind === 'hold')) return await commitHold(view, change, held);
    if (view.isPending(path)) return { type: 'later' };
    const newest = (await view.history()).newest(path);
    const written = [{ functionName, number: newest?.number ?? 0 }];
    return outcome({ type: 'unchanged', commit: newest?.commit ?? view.head, written });
  }
  return { paths: [path], decide };
}

interface HoldChange {
  kind: 'hold' | 'resume';
  intent: HoldIntent;
  context: PlanningContext;
  place: FunctionPlacement;
}

async function commitHold(
  view: BranchView,
  change: HoldChange,
  { hold: was, bare }: HeldManifest,
): Promise<Decision> {
  const { kind, intent, context, place } = change;
  const { path, name } = place;
  const manifest = readFunction(bare);
  const number = await view.nextNumber(path);
  const next = kind === 'hold' ? holdText(actorOf(intent), context.now(), intent.reason) : null;
  const before = was === undefined ? '' : ` (${heldReason(was)})`;
  return {
    type: 'commit',
    written: [{ functionName: intent.functionName, number }],
    commit: {
      message: commitMessage(`${kind}(${name}): #${number} ${intent.reason}${before}`, {
        'Towline-Kind': kind,
        'Towline-Function': `${intent.owner}/${intent.functionName}`,
        ...environmentTrailer(place.environment),
        'Towline-Deploy': String(number),
        'Towline-Source-Commit': manifest?.metadata.labels[gitLabels.sha] ?? null,
        'Towline-Image': manifest?.spec.image ?? null,
        'Towline-Actor': actorOf(intent),
        'Towline-Reason': intent.reason,
      }),
      author: safeSignature(intent.actor),
      committer: context.committer,
      time: context.now(),
      changes: [{ path, content: next === null ? bare : withHold(bare, next) }],
    },
  };
}

export function actorOf({ actor }: { actor: HoldIntent['actor'] }): string {
  return actor.login || actor.name;
}
