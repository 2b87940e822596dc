import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { ArtifactDescriptor, artifactFiles, artifactRegistry } from '../../core/artifact.ts';
import { TowlineError } from '../../core/errors.ts';
import { digestOf } from '../../core/names.ts';

/** An artifact as it lies on disk, ready to be run. */
export interface Artifact {
  /** The folder its command runs in. */
  root: string;
  descriptor: ArtifactDescriptor;
}

const maxDescriptorBytes = 65_536;

/** Finds an image's artifact by its digest. Throws `image_gone`. */
export async function openArtifact(artifactsDir: string, image: string): Promise<Artifact> {
  const digest = digestOf(image);
  if (digest === undefined) throw gone(`the image "${image}" has no digest, so it cannot be run`);
  const folder = path.join(artifactsDir, digest.slice('sha256:'.length));
  const root = path.join(folder, artifactFiles.root);
  try {
    const descriptor = ArtifactDescriptor.parse(
      JSON.parse(await readBounded(path.join(folder, artifactFiles.descriptor))),
    );
    if (!(await stat(root)).isDirectory()) throw new Error('root is not a folder');
    return { root, descriptor };
  } catch (error) {
    throw gone(`the artifact ${digest.slice(0, 19)} is not in the store`, error);
  }
}

function gone(message: string, cause?: unknown): TowlineError {
  const hint = `images of ${artifactRegistry} exist on this machine only: push the source again to rebuild it`;
  return new TowlineError('image_gone', message, { hint, cause });
}

async function readBounded(file: string): Promise<string> {
  await using handle = await open(file, 'r');
  if ((await handle.stat()).size > maxDescriptorBytes) throw new Error(`${file} is too large`);
  return handle.readFile('utf8');
}
