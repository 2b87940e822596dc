import { TowlineError } from '../../core/errors.ts';
import type { ImageReference } from '../../core/image-reference.ts';

/** The part of an engine that counts for images that others built. */
export interface ImageTarget {
  /** The registry part, perhaps with folders, of the names of what the platform builds itself. */
  readonly registry: string;
  readonly runsImages: boolean;
}

/** Throws `policy_refused` for an image that cannot run here, or that the platform built for another owner. */
export function assertDeployable(target: ImageTarget, owner: string, image: ImageReference): void {
  if (!target.runsImages) {
    const message = 'this installation runs functions as plain processes, not as container images';
    const hint = 'start it with "--engine docker", or write a handler in one of its languages';
    throw new TowlineError('policy_refused', message, { hint });
  }
  const own = `${target.registry}/`;
  const name = `${image.registry}/${image.repository}`;
  if (!name.startsWith(own) || name.slice(own.length).split('/')[0] === owner) return;
  throw new TowlineError('policy_refused', `${name} belongs to another owner of this installation`);
}
