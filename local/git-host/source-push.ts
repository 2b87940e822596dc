import { randomUUID } from 'node:crypto';
import type { Identity } from '../../core/access.ts';
import type { Owner } from '../../core/auth.ts';
import { branchOf, zeroSha } from '../../core/names.ts';
import { type Person, PushEvent, type SourceEvent } from '../../core/source-event.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { HookOutput } from './hook-endpoint.ts';
import type { PushedRefs, RefUpdate } from './hook-request.ts';
import type { PushWatch } from './push-progress.ts';
import type { RepositoryStore } from './repository-store.ts';
import { terminalLine } from './terminal-text.ts';
import type { WebhookClient } from './webhook-client.ts';

/** One push to a source repository, as access was granted. */
export interface SourcePush {
  owner: Owner;
  name: string;
  path: string;
  identity: Identity;
}

export interface SourcePushDeps {
  store: RepositoryStore;
  webhook: WebhookClient;
  watch: () => PushWatch;
  cloneUrl(owner: string, name: string): string;
  /** Whether the repository was deleted while the push was on its way. */
  isDeleted(): Promise<boolean>;
  /** Aborts when the host stops: a delivery outlives the pusher, but not the host. */
  stopping: AbortSignal;
  logger: Logger;
}

/** Each update is an event of its own, like a forge's; a mirror's thousand tags are not worth a thousand events. */
const maxEvents = 50;

export function personOf(identity: Identity): Person {
  return personOfOwner({ slug: identity.owner, name: identity.name, email: identity.email });
}

/** The same person, when only the account is known. */
export function personOfOwner({ slug, name, email }: Pick<Owner, 'slug' | 'name' | 'email'>): Person {
  return { name: (name || slug).slice(0, 200), email: email.slice(0, 320), login: slug.slice(0, 100) };
}

/** What every event says about a hosted repository. */
export function eventRepository(
  owner: Owner,
  repository: { name: string; cloneUrl: string; defaultBranch: string },
): SourceEvent['repository'] {
  return {
    id: `local:${owner.slug}/${repository.name}`,
    name: repository.name,
    owner: owner.slug,
    ownerId: owner.id,
    cloneUrl: repository.cloneUrl,
    defaultBranch: repository.defaultBranch,
    // Nothing is read here without a token.
    private: true,
  };
}

const shortRef = (ref: string) => terminalLine(ref.replace(/^refs\/(?:heads|tags)\//, ''));

/** The default branch first, then other branches, then the rest: what may be left out is what matters least. */
function byImportance(updates: readonly RefUpdate[], defaultBranch: string): RefUpdate[] {
  const rank = (update: RefUpdate) => {
    const branch = branchOf(update.ref);
    if (branch === undefined) return 2;
    return branch === defaultBranch ? 0 : 1;
  };
  return [...updates].sort((a, b) => rank(a) - rank(b));
}

interface Delivered {
  pushId: string;
  update: RefUpdate;
}

/** Turns the refs of one push into events, delivers them, and shows the pusher what becomes of them. */
export async function handleSourcePush(
  push: SourcePush,
  { updates, omitted }: PushedRefs,
  output: HookOutput,
  deps: SourcePushDeps,
): Promise<void> {
  if (await deps.isDeleted()) {
    return output.line('The repository was deleted meanwhile; nothing is deployed.');
  }
  output.line('Stored. Ctrl+C only stops showing the progress; it does not cancel the deploy.');
  await deps.store.alignHead(push.path, updates);
  await deps.store.markPushed(push.path);
  const defaultBranch = await deps.store.defaultBranch(push.path);
  const repository = eventRepository(push.owner, {
    name: push.name,
    cloneUrl: deps.cloneUrl(push.owner.slug, push.name),
    defaultBranch,
  });
  const ordered = byImportance(updates, defaultBranch);
  using watch = deps.watch();
  const delivered: Delivered[] = [];
  for (const update of ordered.slice(0, maxEvents)) {
    const pushId = await deliver(push, { repository, update }, output, deps);
    if (pushId !== undefined) delivered.push({ pushId, update });
  }
  const passedOver = Math.max(0, ordered.length - maxEvents) + omitted;
  if (passedOver > 0) {
    output.line(`${passedOver} more refs are stored, but too many to look at in one push.`);
  }
  for (const { pushId, update } of delivered) {
    if (updates.length > 1) {
      output.line(`${shortRef(update.ref)}${update.after === zeroSha ? ' (deleted)' : ''}:`);
    }
    await watch.follow(pushId, push.owner.slug, output);
    if (output.signal.aborted) return;
  }
}

async function deliver(
  push: SourcePush,
  what: { repository: SourceEvent['repository']; update: RefUpdate },
  output: HookOutput,
  deps: SourcePushDeps,
): Promise<string | undefined> {
  const event = PushEvent.safeParse({
    id: randomUUID(),
    scm: 'git',
    type: 'push',
    repository: what.repository,
    actor: personOf(push.identity),
    ...what.update,
  });
  if (!event.success) {
    output.line(`${shortRef(what.update.ref)}: stored, but a ref with such a name is never deployed.`);
    return undefined;
  }
  try {
    return await deps.webhook.deliver(event.data, deps.stopping);
  } catch (error) {
    deps.logger.error({ err: error, deliveryId: event.data.id }, 'a push event was not delivered');
    const later =
      'The push is stored, but the builder cannot be reached. It will be built when the platform is back.';
    output.line(`${shortRef(what.update.ref)}: ${later}`);
    return undefined;
  }
}
