import { TowlineError } from '../../core/errors.ts';
import { parseImageReference } from '../../core/image-reference.ts';
import type { BuildRequest } from './build-engine.ts';
import { imagesOf } from './dockerfile-images.ts';
import { readDockerfile, requireKnownFrontend } from './dockerfile-text.ts';
import { type ImageSources, isAllowedSource } from './image-sources.ts';

/**
 * For builders that cannot be told themselves which images a build may use: throws `policy_refused` if the Dockerfile
 * names another one, or one whose name cannot be told.
 */
export async function requireAllowedImages(
  { contextDir, buildArgs, template }: Pick<BuildRequest, 'contextDir' | 'buildArgs' | 'template'>,
  sources: ImageSources,
): Promise<void> {
  const dockerfile = await readDockerfile(contextDir);
  if (dockerfile === undefined) return;
  requireKnownFrontend(dockerfile);
  for (const { image, line } of imagesOf(dockerfile, buildArgs)) {
    const reference = parseImageReference(image);
    if (reference && isAllowedSource(sources, reference)) continue;
    throw new TowlineError('policy_refused', `${image.slice(0, 300)} may not be used here`, {
      ...(template === null ? { place: { file: 'Dockerfile', line } } : {}),
      hint: 'use an image of your own, or of a registry that the operator allows',
    });
  }
}
