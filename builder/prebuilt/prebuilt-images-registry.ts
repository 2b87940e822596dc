import { realpath } from 'node:fs/promises';
import { type SourcePlace, TowlineError } from '../../core/errors.ts';
import {
  formatImageReference,
  type ImageReference,
  parseImageReference,
} from '../../core/image-reference.ts';
import type { ImageRegistry } from '../../runtime/registry/image-registry.ts';
import type { PrebuiltImages, PrebuiltRequest } from '../pipeline/prebuilt-images.ts';
import { readRepositoryFile } from '../stack/repository-file.ts';
import type { StackFunction } from '../stack/stack.ts';
import { assertDeployable, type ImageTarget } from './assert-deployable.ts';
import { singleFrom } from './single-from.ts';

export interface PrebuiltDeps {
  registry: ImageRegistry;
  /** What runs the images. */
  target: ImageTarget;
}

/** An image that a repository names, and where it does. */
interface NamedImage {
  image: string;
  platform?: string | undefined;
  place: SourcePlace;
}

function skippedBuild(fn: StackFunction): NamedImage {
  if (fn.image) return { image: fn.image, place: fn.imagePlace ?? fn.place };
  throw new TowlineError('stack_invalid', `the function "${fn.name}" skips its build but names no image`, {
    place: fn.place,
    hint: 'add "image:" with the image to deploy, or remove "skip_build:"',
  });
}

async function dockerfileOf(fn: StackFunction, sourceDir: string): Promise<NamedImage | undefined> {
  const file = fn.handler === '.' ? 'Dockerfile' : `${fn.handler}/Dockerfile`;
  const read = await readRepositoryFile(await realpath(sourceDir), file);
  // What is wrong with it, if anything, the build says.
  const from = read.text === undefined ? undefined : singleFrom(read.text);
  if (!from) return undefined;
  const { image, platform, line, column } = from;
  return { image, platform, place: { file, line, column } };
}

async function namedImage({ fn, sourceDir }: PrebuiltRequest): Promise<NamedImage | undefined> {
  if (fn.skipBuild) return skippedBuild(fn);
  return fn.lang.toLowerCase() === 'dockerfile' ? dockerfileOf(fn, sourceDir) : undefined;
}

function parsed({ image, place }: NamedImage): ImageReference {
  const reference = parseImageReference(image);
  if (reference) return reference;
  throw new TowlineError('stack_invalid', `${JSON.stringify(image.slice(0, 200))} is no name of an image`, {
    place,
    hint: 'write it as "registry.example/team/app:1.2"',
  });
}

/** The same error at the place where the image is named. */
function at(place: SourcePlace, error: unknown): unknown {
  if (!(error instanceof TowlineError) || error.place) return error;
  const { code, message, hint, cause } = error;
  return new TowlineError(code, message, { place, hint, ...(cause === undefined ? {} : { cause }) });
}

/** Functions that name an image instead of bringing sources: by `skip_build`, or by a Dockerfile of one `FROM`. */
export function createPrebuiltImages({ registry, target }: PrebuiltDeps): PrebuiltImages {
  async function assertAllowed(of: { owner: string; ownerId: string }, image: ImageReference): Promise<void> {
    assertDeployable(target, of.owner, image);
    await registry.assertAllowed(of.ownerId, image);
  }

  return {
    assertAllowed,
    async check(of, image, signal) {
      await assertAllowed(of, image);
      await registry.resolve({ ownerId: of.ownerId, image, signal });
    },
    async find(request) {
      const named = await namedImage(request);
      if (!named) return undefined;
      const { fn, repository, signal } = request;
      const { ownerId, owner } = repository;
      const { platform, place } = named;
      const image = parsed(named);
      try {
        assertDeployable(target, owner, image);
        const { digest } = await registry.resolve({ ownerId, image, platform, signal });
        const full = formatImageReference({ ...image, digest });
        return { image: full, text: `${fn.name}: no build: ${full}` };
      } catch (error) {
        signal.throwIfAborted();
        throw at(place, error);
      }
    },
  };
}
