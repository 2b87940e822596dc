import { gitLabels } from '../../core/function-spec.ts';
import { CommitSha } from '../../core/names.ts';
import { holdChange, readHeld } from '../holding/hold.ts';
import type { IndexedVersion } from '../index/history-index.ts';
import { trailerText } from '../message/commit-message.ts';
import { readFunction } from '../render/read-function.ts';

/** What runs by a manifest, whatever the commit that brought it says. */
export interface ManifestFacts {
  image: string;
  sourceCommit: string | null;
}

/** `undefined`: it is no manifest of a function, even without whatever a person wrote as its hold. */
export function manifestFacts(text: string): ManifestFacts | undefined {
  const held = readHeld(text);
  const manifest = held && readFunction(held.bare);
  if (!manifest) return undefined;
  return { image: manifest.spec.image, sourceCommit: manifest.metadata.labels[gitLabels.sha] ?? null };
}

/**
 * Whether the file says what the commit's trailers say of it. Whoever can push can write trailers; what runs is the file,
 * so a commit whose trailers tell something else is somebody's edit.
 */
export async function agreesWithFile(
  version: IndexedVersion,
  read: (blob: string) => Promise<string>,
): Promise<boolean> {
  const { kind, before, after, image, sourceCommit } = version;
  if (!version.trailed) return false;
  if (after === null || kind === 'remove') return after === null && (kind === 'remove' || kind === 'revert');
  const text = await read(after);
  const facts = manifestFacts(text);
  if (!facts || image !== trailerText(facts.image) || sourceCommit !== commitOrNull(facts)) return false;
  if (kind !== 'hold' && kind !== 'resume') return true;
  return before !== null && holdChange(await read(before), text) === kind;
}

/** As the index keeps it. */
function commitOrNull({ sourceCommit }: ManifestFacts): string | null {
  return CommitSha.safeParse(sourceCommit).success ? sourceCommit : null;
}
