import type { FunctionSummary } from '../../../core/api.ts';
import type { Owner } from '../../../core/auth.ts';
import type { BuildService } from '../../../core/build-service.ts';
import {
  type CatalogEntry,
  type FunctionCatalog,
  type FunctionStatus,
  type PendingDeploys,
  shownStatus,
} from '../../../core/catalog.ts';
import type { DeployRecord, DeployState } from '../../../core/deploy.ts';
import { defaultEnvironment } from '../../../core/environments.ts';
import type { Hold } from '../../../core/hold.ts';
import type { HistoryEntry } from '../../../core/manifest-writer.ts';
import type { DeployHistory } from './deploy-history.ts';

export interface FunctionRowsDeps {
  /** All of them are about this one. */
  environment: string;
  catalog: FunctionCatalog;
  pending: PendingDeploys;
  builds: BuildService;
  history: DeployHistory;
  functionUrl(owner: string, functionName: string): string;
}

/** What is known of one function, from the three places that know something. */
interface Sources {
  entry: CatalogEntry | undefined;
  last: DeployRecord | undefined;
  /** Built, and waits for the function to be resumed. */
  waiting: DeployRecord | undefined;
  /** Newest first. */
  entries: readonly HistoryEntry[];
}

export interface FunctionRows {
  all(owner: Owner): Promise<FunctionSummary[]>;
  /** Also of a function that was removed; `undefined` if there never was one. */
  one(owner: Owner, functionName: string): Promise<FunctionSummary | undefined>;
}

/** The rows of the functions page: what runs, what git says about it, and the newest deploy, joined in memory. */
export function createFunctionRows(deps: FunctionRowsDeps): FunctionRows {
  async function sourcesOf(owner: Owner): Promise<Map<string, Sources>> {
    const [latest, held] = await Promise.all([
      deps.builds.latestDeploys(owner.slug, deps.environment),
      deps.builds.heldDeploys(owner.slug),
    ]);
    const history = await deps.history.of(owner.slug, latest);
    const sources = new Map<string, Sources>();
    const of = (name: string): Sources => {
      const known = sources.get(name) ?? {
        entry: undefined,
        last: undefined,
        waiting: undefined,
        entries: [],
      };
      sources.set(name, known);
      return known;
    };
    for (const [name, entries] of history) of(name).entries = entries;
    // By owner id: a slug that was given to somebody else shows nothing of the one who had it before.
    // The catalog after the deploys: what went live in between is in one of them at least.
    for (const entry of deps.catalog.list(owner.slug)) {
      if (entry.ownerId === owner.id) of(entry.functionName).entry = entry;
    }
    for (const record of latest) {
      if (record.ownerId === owner.id && record.functionName !== null) of(record.functionName).last = record;
    }
    for (const [name, record] of waitingDeploys(deps.environment, owner, held)) of(name).waiting = record;
    return sources;
  }

  return {
    async all(owner) {
      const present = [...(await sourcesOf(owner))].filter(([, sources]) => exists(sources));
      const rows = await Promise.all(present.map(([name, sources]) => summaryOf(deps, owner, name, sources)));
      return rows.sort((a, b) => (a.functionName < b.functionName ? -1 : 1));
    },
    async one(owner, functionName) {
      const sources = (await sourcesOf(owner)).get(functionName);
      return sources && summaryOf(deps, owner, functionName, sources);
    },
  };
}

/** The newest of each function. */
function waitingDeploys(
  shown: string,
  owner: Owner,
  held: readonly DeployRecord[],
): Map<string, DeployRecord> {
  const waiting = new Map<string, DeployRecord>();
  for (const record of held) {
    const { ownerId, functionName, environment = defaultEnvironment } = record;
    if (ownerId !== owner.id || functionName === null || environment !== shown) continue;
    if (!waiting.has(functionName)) waiting.set(functionName, record);
  }
  return waiting;
}

const statusOfState: Partial<Record<DeployState, FunctionStatus>> = {
  queued: 'Queued',
  building: 'Building',
  built: 'Deploying',
  committed: 'Deploying',
  applied: 'Deploying',
  failed: 'Failed',
  held: 'Held',
};

/** Whether the function is there, is on its way, or failed on its way; not if it was removed since. */
function exists({ entry, last, entries }: Sources): boolean {
  const newest = entries[0];
  if (entry || newest?.present) return true;
  if (!last || statusOfState[last.state] === undefined) return false;
  return !committedSince(last, newest);
}

/**
 * Whether a revert, a removal or a person's edit came after the newest deploy. A commit of kind `deploy` never did:
 * it would have a newer record. Commit times are whole seconds, so one of the same second counts as later.
 */
function committedSince(last: DeployRecord, newest: HistoryEntry | undefined): boolean {
  if (!newest || newest.kind === 'deploy') return false;
  return newest.committedAt + 999 >= last.updatedAt;
}

async function summaryOf(
  deps: FunctionRowsDeps,
  owner: Owner,
  name: string,
  sources: Sources,
): Promise<FunctionSummary> {
  const { entry, last } = sources;
  const served = servedDeploy(sources);
  const source = (served && sourceOf(sources.entries, served)) ?? null;
  const sourceCommit = source?.sourceCommit ?? entry?.sourceCommit ?? last?.sourceCommit ?? null;
  return {
    owner: owner.slug,
    environment: deps.environment,
    functionName: name,
    url: deps.functionUrl(owner.slug, name),
    ...shownState(entry?.hold ?? null, state(deps, owner, name, sources)),
    repo: entry?.repo ?? last?.repo ?? '',
    branch: entry?.branch ?? last?.branch ?? '',
    sourceCommit,
    sourceSubject: await subjectOf(deps, owner, { sourceCommit, buildId: source?.buildId ?? null, last }),
    author: served?.author.name ?? last?.actor.name ?? null,
    number: served?.number ?? null,
    deployedAt: served?.committedAt ?? entry?.since ?? null,
    waiting: sources.waiting ?? null,
    lastDeploy: last ?? null,
  };
}

type Shown = Pick<FunctionSummary, 'status' | 'serving' | 'hold' | 'reason'>;

function shownState(hold: Hold | null, { status, reason }: Pick<Shown, 'status' | 'reason'>): Shown {
  return { status: shownStatus(status, hold), serving: status, hold, reason };
}

function state(
  deps: FunctionRowsDeps,
  owner: Owner,
  name: string,
  sources: Sources,
): { status: FunctionStatus; reason: string | null } {
  const { entry, last } = sources;
  if (entry) return { status: entry.status, reason: entry.reason ?? failureOf(sources) ?? waitingOf(last) };
  if (!exists(sources)) return { status: 'Deleting', reason: removedIn(sources) };
  const pending = deps.pending.pending(owner.slug, name);
  if (pending) return { ...pending, reason: waitingOf(last) ?? pending.reason };
  if (isMissing(sources)) return { status: 'Degraded', reason: missing };
  const status = last && statusOfState[last.state];
  return { status: status ?? 'Deploying', reason: last?.cause?.message ?? waitingOf(last) };
}

const missing =
  'git asks for it, and it is not there: somebody deleted it where it runs, or it has not started yet';

/** It was live, and git has not changed since. */
function isMissing({ last, entries }: Sources): boolean {
  return last?.state === 'live' && entries[0]?.present === true && !committedSince(last, entries[0]);
}

/** Of a deploy that is on its way. */
function waitingOf(last: DeployRecord | undefined): string | null {
  return last?.waiting === undefined ? null : `the last deploy waits: ${last.waiting}`;
}

/** A healthy version goes on after a deploy that failed; the row says so until something newer is committed. */
function failureOf({ last, entries }: Sources): string | null {
  if (last?.state !== 'failed' || !last.cause) return null;
  if (committedSince(last, entries[0])) return null;
  return `the last deploy failed: ${last.cause.message}`;
}

function removedIn({ entries }: Sources): string | null {
  return entries[0] ? `it was removed in #${entries[0].number}` : null;
}

function servedDeploy({ entry, entries }: Sources): HistoryEntry | undefined {
  const image = entry?.status === 'Asleep' ? (entry.image ?? entry.desiredImage) : entry?.image;
  return image ? entries.find((deploy) => deploy.image === image && deploy.present) : undefined;
}

/** A commit that restored an earlier deploy has that one's source. */
function sourceOf(entries: readonly HistoryEntry[], served: HistoryEntry): HistoryEntry {
  if (served.restores === null) return served;
  return entries.find((deploy) => deploy.number === served.restores) ?? served;
}

async function subjectOf(
  deps: FunctionRowsDeps,
  owner: Owner,
  of: { sourceCommit: string | null; buildId: string | null; last: DeployRecord | undefined },
): Promise<string | null> {
  if (of.last && of.last.sourceCommit === of.sourceCommit) return of.last.sourceSubject || null;
  const record = of.buildId === null ? undefined : await deps.builds.deploy(of.buildId);
  return record?.ownerId === owner.id ? record.sourceSubject || null : null;
}
