import { defaultEnvironment } from '../../core/environments.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import type { IndexedVersion } from '../index/history-index.ts';
import { functionOfPath } from '../paths.ts';

/** A version as the platform tells of it; `committerEmail` is Towline's own. */
export function historyEntry(version: IndexedVersion, committerEmail: string): HistoryEntry {
  const place = functionOfPath(version.path);
  return {
    commit: version.commit,
    owner: place?.owner ?? '',
    functionName: place?.functionName ?? '',
    ...(place && place.environment !== defaultEnvironment ? { environment: place.environment } : {}),
    number: version.number,
    kind: version.kind,
    subject: version.subject,
    author: version.author,
    committedAt: version.committedAt,
    sourceCommit: version.sourceCommit,
    source: version.source,
    image: version.image,
    buildId: version.buildId,
    actor: version.actor,
    reason: version.reason,
    reverts: version.reverts,
    restores: version.restores,
    revertedBy: version.revertedBy,
    direct: !version.trailed || version.committerEmail !== committerEmail,
    current: version.current,
    present: version.after !== null,
  };
}
