import { createHash } from 'node:crypto';
import { TowlineError } from '../../core/errors.ts';
import { parseImageReference } from '../../core/image-reference.ts';
import type { AnnouncedImage } from '../../core/images.ts';
import { zeroSha } from '../../core/names.ts';
import type { ImageEvent } from '../../core/source-event.ts';
import type { AppendResult, Delivery, DeliveryLog, DeliveryOrigin } from '../deliveries/delivery-log.ts';
import type { DeployStore } from '../deploys/deploy-store.ts';
import type { PrebuiltImages } from '../pipeline/prebuilt-images.ts';
import { announcedLate } from '../queue/precedence.ts';

export interface AnnouncementsDeps {
  deliveries: DeliveryLog;
  store: DeployStore;
  /** Not given: nothing here runs images that others built. */
  images: PrebuiltImages | undefined;
  /** On disk when it resolves. */
  accept: (event: ImageEvent, origin: DeliveryOrigin) => Promise<AppendResult>;
}

/** So many tries of one announcement; more of them are somebody's loop. */
const maxTries = 50;
/** So far back newer announcements are looked for. */
const depth = 100;

/** The same, whatever order the fields came in. */
function canonical(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, canonical(each)]);
}

/**
 * The same image of the same commit, by the same run and with the same configuration, is the same announcement,
 * whoever sends it and however often.
 */
function announcementId(event: Omit<ImageEvent, 'id'>): string {
  const { repository, functionName, image, after, run, configuration } = event;
  const said = [repository.ownerId, functionName, image, after, run && [run.of, run.number]];
  const text = JSON.stringify([...said, canonical(configuration)]);
  return `image-${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
}

function branchOrTag(ref: string): string {
  return ref.replace(/^refs\/(?:heads|tags)\//, '');
}

function eventOf(announced: AnnouncedImage): Omit<ImageEvent, 'id'> {
  const { owner, ownerId, functionName, image, scm, repository, commit, ref, actor } = announced;
  const { url: cloneUrl, ...named } = repository;
  return {
    ...{ type: 'image', scm, actor, functionName, image, ref, after: commit },
    repository: { ...named, owner, ownerId, cloneUrl, defaultBranch: branchOrTag(ref) },
    before: announced.before ?? zeroSha,
    subject: announced.subject,
    run: announced.run,
    configuration: announced.configuration,
  };
}

/** From an announcement to a delivery; and which announcements come too late. */
export function createAnnouncements({ deliveries, store, images, accept }: AnnouncementsDeps) {
  function hasFailed(id: string): boolean {
    return store.push(id)?.deploys.some(({ state }) => state === 'failed') ?? false;
  }

  async function assertAllowed(announced: AnnouncedImage): Promise<void> {
    const image = parseImageReference(announced.image);
    if (image?.digest === undefined)
      throw new TowlineError('bad_request', 'the image is not given by its digest');
    if (images) return await images.assertAllowed(announced, image);
    throw new TowlineError('policy_refused', 'this installation deploys no images that others built');
  }

  async function appended(announced: AnnouncedImage): Promise<{ id: string; duplicate: boolean }> {
    const event = eventOf(announced);
    const first = announcementId(event);
    for (let tries = 1; tries <= maxTries; tries += 1) {
      const id = tries === 1 ? first : `${first}-${tries}`;
      // A second try is no news: what replaced it since stays.
      const result = await accept({ ...event, id }, tries === 1 ? 'hook' : 'rebuild');
      if (result.type === 'accepted') return { id, duplicate: false };
      if (!hasFailed(result.id)) return { id: result.id, duplicate: true };
    }
    throw new TowlineError('conflict', `this image was announced ${maxTries} times and failed each time`);
  }

  return {
    /** Throws `policy_refused` for an image that the owner may not deploy here. */
    async announce(announced: AnnouncedImage): Promise<{ id: string; duplicate: boolean }> {
      await assertAllowed(announced);
      return await appended(announced);
    },

    /** What makes this delivery pointless, though it may be done already. */
    async newer({ event, seq }: Delivery): Promise<ImageEvent | undefined> {
      if (event.type !== 'image') return undefined;
      const id = announcementId(event);
      for (const other of await deliveries.recent(event, depth)) {
        if (other.seq === seq || other.event.type !== 'image') continue;
        const isNewer =
          other.seq < seq ? announcedLate(event, other.event) : !announcedLate(other.event, event);
        // Another try of the same replaces nothing.
        if (isNewer && announcementId(other.event) !== id) return other.event;
      }
      return undefined;
    },
  };
}
