import type Docker from 'dockerode';
import type { ArtifactShelf, ShelvedArtifact } from './artifact-shelf.ts';

export interface ImageShelfOptions {
  /** The registry part of the names of our images. */
  registry: string;
  /** `key=value` that every image of this installation carries, and no other. */
  label: string;
}

/** Images of this installation in a Docker Engine; all others are never touched. */
export function createImageShelf(docker: Docker, { registry, label }: ImageShelfOptions): ArtifactShelf {
  const isOurs = (tag: string) => tag.startsWith(`${registry}/`);
  return {
    async list() {
      const images = await docker.listImages({ filters: { label: [label] } });
      const found: ShelvedArtifact[] = [];
      for (const { Id } of images) {
        const image = await docker
          .getImage(Id)
          .inspect()
          .catch(() => undefined);
        if (image === undefined) continue;
        // A build that finds everything in the cache makes an old image; what is new about it is its tag.
        const { Metadata } = image as { Metadata?: { LastTagTime?: string } };
        const tagged = Metadata?.LastTagTime;
        const times = [image.Created, tagged].map((time) => Date.parse(time ?? ''));
        found.push({
          name: Id.replace(/^sha256:/, ''),
          wantedAt: Math.max(...times.filter((time) => !Number.isNaN(time))),
        });
      }
      return found;
    },
    async remove(name) {
      const image = docker.getImage(`sha256:${name}`);
      const { RepoTags } = await image.inspect();
      const tags = RepoTags ?? [];
      // One that somebody gave a name of their own stays under that name.
      for (const tag of tags.filter(isOurs)) await docker.getImage(tag).remove();
      if (tags.length === 0) await image.remove();
    },
    tidy: async () => {},
  };
}
