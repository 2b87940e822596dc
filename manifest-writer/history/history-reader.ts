import { defaultEnvironment, whyNotEnvironment } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import type { FunctionConfiguration } from '../../core/function-spec.ts';
import type {
  CurrentFunction,
  HistoryEntry,
  HistoryQuery,
  ManifestDiff,
} from '../../core/manifest-writer.ts';
import { whyNotOwner } from '../../core/names.ts';
import { holdChange } from '../holding/hold.ts';
import type { IndexedVersion } from '../index/history-index.ts';
import type { IndexedRepository } from '../index/indexed-repository.ts';
import {
  environmentFolder,
  functionOfPath,
  isFunction,
  isPlace,
  manifestPath,
  tenantFolder,
} from '../paths.ts';
import { repositoryOf } from '../planning/claims.ts';
import { authoredConfiguration } from '../render/authored-spec.ts';
import { readFunction } from '../render/read-function.ts';
import { historyEntry } from './history-entry.ts';
import { manifestChanges } from './manifest-changes.ts';
import { agreesWithFile, manifestFacts } from './manifest-facts.ts';

const defaultLimit = 100;
const maxLimit = 1000;
const maxKept = 20_000;

interface Place {
  owner: string;
  environment?: string | undefined;
  functionName: string;
}

/** Reads the branch back at `head`; every answer comes from git alone. */
export function createHistoryReader(repository: IndexedRepository, committerEmail: string) {
  /** By blob id, so never out of date: reading thousands of manifests again is the slow part of `current`. */
  const repositories = new Map<string, string | null>();

  return {
    async history(head: string, query: HistoryQuery): Promise<HistoryEntry[]> {
      const { owner, functionName, before } = query;
      if (!isOwner(owner)) return [];
      if (functionName !== undefined && !isFunction(owner, functionName)) return [];
      const { environment = defaultEnvironment } = query;
      if (whyNotEnvironment(environment) !== undefined) return [];
      const page = { limit: limitOf(query), before };
      const branch = await repository.history(head);
      const versions =
        functionName === undefined
          ? branch.pageOfFolder(tenantFolder(owner, environment), page)
          : branch.pageOfFile(manifestPath(owner, functionName, environment), page);
      return await Promise.all(versions.map(toEntry));
    },

    async diff(head: string, query: Place & { from: string | null; to: string }): Promise<ManifestDiff> {
      const path = checkedPath(query);
      await assertOnBranch(head, query.to);
      if (query.from !== null) await assertOnBranch(head, query.from);
      const from = query.from ?? (await repository.parentOf(query.to)) ?? null;
      const [before, after] = await Promise.all([
        textAt(repository, from, path),
        textAt(repository, query.to, path),
      ]);
      if (before === null && after === null) throw notFound(query, query.to);
      const unified = await repository.diff(from, query.to, path);
      return { from, to: query.to, unified, summary: manifestChanges(before, after) };
    },

    async at(head: string, query: Place & { commit: string }): Promise<string> {
      const path = checkedPath(query);
      await assertOnBranch(head, query.commit);
      const text = await textAt(repository, query.commit, path);
      if (text === null) throw notFound(query, query.commit);
      return text;
    },

    async configuration(head: string, query: Place): Promise<FunctionConfiguration | undefined> {
      const text = await textAt(repository, head, checkedPath(query));
      const manifest = text === null ? undefined : readFunction(text);
      return manifest && authoredConfiguration(manifest);
    },

    async current(head: string, owner?: string, environment?: string): Promise<CurrentFunction[]> {
      if (environment !== undefined && whyNotEnvironment(environment) !== undefined) return [];
      const owners = owner === undefined ? await tenants(head, environment) : [owner].filter(isOwner);
      const lists = await Promise.all(owners.map((one) => functionsOf(head, one, environment)));
      return lists.flat();
    },
  };

  async function assertOnBranch(head: string, commit: string): Promise<void> {
    if ((await repository.history(head)).has(commit)) return;
    if (await repository.contains(head, commit)) return;
    throw new TowlineError('not_found', 'there is no such commit in the GitOps repository');
  }

  /** What runs stands in the manifest, whatever the commit says; one that says something else is told as an edit. */
  async function toEntry(version: IndexedVersion): Promise<HistoryEntry> {
    const agrees = !version.trailed || (await agreesWithFile(version, repository.read));
    const entry = historyEntry(agrees ? version : untrailed(version), committerEmail);
    if (version.after === null) return entry;
    const text = await repository.read(version.after);
    const { image = null, sourceCommit = null } = manifestFacts(text) ?? {};
    const filled = { ...entry, image, sourceCommit };
    if (entry.kind !== 'edit' || version.before === null) return filled;
    return { ...filled, kind: holdChange(await repository.read(version.before), text) ?? 'edit' };
  }

  async function tenants(head: string, environment: string | undefined): Promise<string[]> {
    const entries = await repository.list(head, environmentFolder(environment));
    return entries.filter(({ type, name }) => type === 'folder' && isOwner(name)).map(({ name }) => name);
  }

  async function functionsOf(
    head: string,
    owner: string,
    environment: string | undefined,
  ): Promise<CurrentFunction[]> {
    const folder = tenantFolder(owner, environment);
    const entries = await repository.list(head, folder);
    const functions = entries.flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      const place = entry.type === 'file' ? functionOfPath(path) : undefined;
      return place ? [{ ...place, path, blob: entry.id }] : [];
    });
    return await Promise.all(
      functions.map(async (one) => ({ ...one, repo: await repositoryOfBlob(one.blob) })),
    );
  }

  async function repositoryOfBlob(blob: string): Promise<string | null> {
    const kept = repositories.get(blob);
    if (kept !== undefined) return kept;
    const repo = repositoryOf(await repository.read(blob));
    const oldest = repositories.keys().next().value;
    if (repositories.size >= maxKept && oldest !== undefined) repositories.delete(oldest);
    repositories.set(blob, repo);
    return repo;
  }
}

/** As if its commit had no trailers. */
function untrailed(version: IndexedVersion): IndexedVersion {
  const kind = version.after === null ? 'remove' : 'edit';
  const nothing = { sourceCommit: null, source: null, image: null, buildId: null, actor: null, reason: null };
  return { ...version, ...nothing, kind, trailed: false };
}

/** The file's text at a commit; `null` if there is none. */
export async function textAt(
  repository: Pick<IndexedRepository, 'blobOf' | 'read'>,
  commit: string | null,
  path: string,
): Promise<string | null> {
  const blob = commit === null ? null : await repository.blobOf(commit, path);
  return blob === null ? null : await repository.read(blob);
}

function isOwner(owner: string): boolean {
  return whyNotOwner(owner) === undefined;
}

function checkedPath(place: Place): string {
  if (!isPlace(place)) throw notFound(place);
  return manifestPath(place.owner, place.functionName, place.environment);
}

function notFound({ owner, functionName }: Place, commit?: string): TowlineError {
  const where = commit === undefined ? '' : ` at ${commit.slice(0, 7)}`;
  return new TowlineError('not_found', `there is no function "${owner}/${functionName}"${where}`);
}

function limitOf({ limit }: HistoryQuery): number {
  return Math.max(0, Math.min(limit ?? defaultLimit, maxLimit));
}
