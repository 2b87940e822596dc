/** How commits are shown everywhere; the full id is in the tooltip and is what gets copied. */
export function shortSha(sha: string): string {
  return sha.slice(0, 7);
}

/** The digest's first characters of an image reference, as people compare them. */
export function shortImage(image: string): string {
  const digest = /@sha256:([0-9a-f]+)$/.exec(image)?.[1];
  return digest ? `sha256:${digest.slice(0, 10)}` : image;
}

/** A branch or tag without git's prefix. */
export function shortRef(ref: string): string {
  return ref.replace(/^refs\/(?:heads|tags)\//, '');
}

/** The subject without `deploy(owner/function): #42`, which the row says already. */
export function plainSubject(subject: string): string {
  return subject
    .replace(/^[a-z]+\([^)]*\):\s*/, '')
    .replace(/^#\d+\s+/, '')
    .replace(/^[0-9a-f]{7,12}\s+/, '');
}
