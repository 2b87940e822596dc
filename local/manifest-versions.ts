/** Picks the versions of each function out of `git log --patch --unified=0`, newest first, as it comes. */
export interface VersionReader {
  push(chunk: Buffer): void;
  /** The hexadecimal part of each digest. */
  digests(): string[];
}

const manifest = /^\+\+\+ b\/((?:environments\/[^/]+\/)?tenants\/[^/]+\/[^/]+\.ya?ml)$/;
const hunk = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/;
const digest = /@sha256:([0-9a-f]{64})/g;
/** Of one line; what comes after is not looked at. */
const maxLine = 16_384;

/** Keeps the first `keep` different digests of each manifest. */
export function createVersionReader(keep: number): VersionReader {
  const versions = new Map<string, Set<string>>();
  let rest = '';
  let file = '';
  /** Lines of content still to come: they are told from headings by number, since their text can look like any. */
  let content = 0;

  function readLine(line: string): void {
    if (line.startsWith('\\')) return;
    if (content > 0) {
      content--;
      if (file !== '' && line.startsWith('+')) readVersions(line);
      return;
    }
    const sizes = hunk.exec(line);
    if (sizes !== null) content = Number(sizes[1] ?? 1) + Number(sizes[2] ?? 1);
    else if (line.startsWith('+++ ')) file = manifest.exec(line)?.[1] ?? '';
  }

  function readVersions(line: string): void {
    for (const [, hex = ''] of line.matchAll(digest)) {
      const kept = versions.get(file) ?? new Set();
      if (kept.size < keep) versions.set(file, kept.add(hex));
    }
  }

  return {
    push(chunk) {
      // A digest is plain ASCII, so a character that a chunk cuts in two does not matter.
      const lines = (rest + chunk.toString('latin1')).split('\n');
      rest = (lines.pop() ?? '').slice(0, maxLine);
      for (const line of lines) readLine(line);
    },
    digests: () => [...versions.values()].flatMap((kept) => [...kept]),
  };
}
