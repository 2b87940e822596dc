import type { FunctionDetail } from '../../core/api.ts';
import type { CatalogEntry } from '../../core/catalog.ts';
import type { PushRecord } from '../../core/deploy.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { CliError, type Client, exitCodes } from './client.ts';

/** Commits that brought a version of their own; the rest only moved between versions or marked one. */
const versionKinds: ReadonlySet<string> = new Set(['deploy', 'promote', 'edit']);
/** Commits that changed what runs. */
const runningKinds: ReadonlySet<string> = new Set([...versionKinds, 'revert', 'remove']);

const liveTimeoutMs = 30_000;
const pollMs = 200;
const recentPushes = 200;

/**
 * What a rollback may return to without being told, newest first: versions before the one that runs that nobody has
 * undone and that did not fail. A rollback counts as the version it restored, so that a second one goes further back.
 */
export function earlierVersions(
  entries: readonly HistoryEntry[],
  failedCommits: ReadonlySet<string>,
): HistoryEntry[] {
  const running = entries.find((entry) => runningKinds.has(entry.kind));
  const number = running?.restores ?? running?.number ?? Infinity;
  return entries.filter(
    (entry) =>
      entry.number < number &&
      entry.present &&
      versionKinds.has(entry.kind) &&
      entry.restores === null &&
      entry.revertedBy === null &&
      !failedCommits.has(entry.commit),
  );
}

/** The GitOps commits of versions that were committed and then did not become live. */
export async function failedCommitsOf(client: Client, owner: string, name: string): Promise<Set<string>> {
  const pushes = await client.request<PushRecord[]>('GET', apiPaths.pushes(owner, { limit: recentPushes }));
  const failed = new Set<string>();
  for (const { functionName, state, gitopsCommit } of pushes.flatMap((push) => push.deploys)) {
    if (functionName === name && state === 'failed' && gitopsCommit !== null) failed.add(gitopsCommit);
  }
  return failed;
}

/** A version whose manifest is refused can never be returned to: the error says which one can. */
export function withChoice(error: unknown, name: string, others: readonly HistoryEntry[]): unknown {
  if (!(error instanceof CliError) || error.code !== 'manifest_refused') return error;
  const [next] = others;
  const hint = next
    ? `choose #${next.number}: "towline rollback ${name} ${next.number}"`
    : 'no other earlier version was good; see "towline history"';
  return new CliError(exitCodes.failed, error.code, error.message, hint);
}

interface Restored {
  client: Client;
  owner: string;
  name: string;
  environment?: string | undefined;
  /** What ran before the rollback. */
  before: CatalogEntry | null;
}

export interface Liveness {
  live: boolean;
  url: string;
  reason: string | null;
}

/** Asks until the image that the GitOps repository has now is the one that is served or has failed, for at most 30 s. */
export async function waitUntilLive(restored: Restored): Promise<Liveness> {
  const { client, owner, name, environment, before } = restored;
  const deadline = performance.now() + liveTimeoutMs;
  for (;;) {
    const { summary, entry, current } = await client.request<FunctionDetail>(
      'GET',
      apiPaths.function(owner, name, { environment }),
    );
    const image = current?.image ?? null;
    const live = entry !== null && isServed(entry, image, before);
    const isOver = live || hasFailed(entry, image, before) || performance.now() > deadline;
    if (isOver) return { live, url: summary.url, reason: summary.reason };
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function isServed(entry: CatalogEntry, image: string | null, before: CatalogEntry | null): boolean {
  if (image === null || entry.desiredImage !== image || entry.reason !== null) return false;
  if (entry.status === 'Asleep') return true;
  if (entry.status !== 'Ready' || entry.image !== image) return false;
  // The same image with another configuration shows only by its later start, unless it never was replaced.
  const isSameImage = before?.desiredImage === image && before.reason === null;
  return !isSameImage || entry.since !== before.since;
}

/** A trouble that was there before the rollback says nothing of the restored version, which may still be starting. */
function hasFailed(entry: CatalogEntry | null, image: string | null, before: CatalogEntry | null): boolean {
  if (entry === null || entry.desiredImage !== image || entry.reason === null) return false;
  const isTrouble = entry.status === 'Failed' || entry.status === 'Degraded';
  return isTrouble && entry.reason !== before?.reason;
}
