import { defaultEnvironment } from '../../core/environments.ts';
import { TowlineError } from '../../core/errors.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import type { ClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { delay } from '../../runtime/lifecycle.ts';
import type { Logger } from '../../runtime/logger.ts';
import { DamagedCopyError, type ManifestRepository } from '../repository/manifest-repository.ts';
import { openArtifactShelf } from './artifact-shelf.ts';
import { type ArtifactOffer, createExternalArtifacts, type PublishedArtifact } from './external-artifacts.ts';
import { createNotices } from './notices.ts';
import { createPublications, type Publication } from './publications.ts';
import { createSetUpFollowers } from './set-up-kustomizations.ts';
import { whyKept } from './set-up-removals.ts';

export interface PublishingConfig {
  /** Where Flux's objects are. */
  namespace: string;
  /** Of the GitOps repository. */
  branch: string;
  /** The folder that archives are kept in; can be deleted. */
  dir: string;
  listen: { host: string | undefined; port: number };
  /** Where Flux reaches it, as `http://manifest-writer.towline.svc:8090`; by default where it listens. */
  origin?: string | undefined;
  /** That this cluster serves; the default one if it isn't given. */
  environments?: readonly string[] | undefined;
  /** Whether the files that set tenants up are handed over too, each as an artifact with a Kustomization. */
  setUps?: boolean | undefined;
  /** Of a tenant's ExternalArtifact, if it isn't called as the template calls it. */
  nameOf?: ((owner: string, environment: string) => string) | undefined;
  /** Milliseconds between looks at the branch for commits that others pushed. Default: 15,000. */
  lookEveryMs?: number | undefined;
  /** Milliseconds after which what applies a set-up is put right again. Default: an hour. */
  followEveryMs?: number | undefined;
}

export interface PublishingDeps {
  api: ClusterApi;
  repository: ManifestRepository;
  logger: Logger;
}

/**
 * Hands each tenant's folder, and what sets the tenant up, to Flux as an artifact of its own, so that a commit costs what it changed and not what
 * there is. Everything handed over is of a commit of the branch: git stays what is applied.
 */
export interface TenantPublisher extends AsyncDisposable {
  /** The branch has moved to what the repository calls its head. Cheap, may be called often. */
  pushed(): void;
  /** Resolves when the branch's head as of now is published; throws what stands in the way. */
  look(): Promise<void>;
  port: number;
}

/** Requests at once to the API server. */
const maxAtOnce = 8;
const maxTries = 5;
/** However seldom the branch is looked at. */
const maxRetryMs = 15_000;

export async function createTenantPublisher(
  config: PublishingConfig,
  { api, repository, logger }: PublishingDeps,
): Promise<TenantPublisher> {
  const { branch, environments = [defaultEnvironment], setUps = false } = config;
  const { lookEveryMs = 15_000, followEveryMs = 3_600_000 } = config;
  const stopping = new AbortController();
  const { signal } = stopping;
  const shelf = await openArtifactShelf({ dir: config.dir, ...config.listen });
  const origin = config.origin ?? `http://${config.listen.host ?? '127.0.0.1'}:${shelf.port}`;
  /** By name: what was published here last. Anything else in the cluster is somebody else's doing. */
  const offered = new Map<string, string>();
  /** The head up to which every tenant that a commit touched has been published, but for `failed`. */
  let done: string | null = null;
  /** Names of those that could not be: tried again with each look, and nobody else with them. */
  let failed: ReadonlySet<string> = new Set();
  let timer: NodeJS.Timeout | undefined;
  let failures = 0;
  const queue = createLastInLine();
  const artifacts = createExternalArtifacts(api, config.namespace, (name, artifact) => {
    // It may be another writer's that knows more: the branch says.
    const isOurs = artifact && environments.includes(artifact.environment);
    if (isOurs && offered.get(name) !== artifact.digest) look().catch(report);
  });

  const notices = createNotices(logger);
  const followers = createSetUpFollowers({
    ...{ api, namespace: config.namespace, logger, signal, everyMs: followEveryMs },
  });
  const publications = createPublications({ repository, environments, setUps, nameOf: config.nameOf });

  async function publicationsAt(head: string): Promise<Map<string, Publication>> {
    const { found, unused } = await publications.at(head);
    const kept: { name: string; problem: string }[] = [];
    // What went as a whole is published empty: then Flux prunes what it had.
    for (const [name, seen] of artifacts.published) {
      const { part, owner, environment } = seen;
      if (found.has(name) || !isMine(seen)) continue;
      const isEmptied = part === 'folder' || seen.tree === '';
      const problem = isEmptied ? undefined : await whyKept(repository, head, seen, unused);
      if (problem === undefined) found.set(name, { part, owner, environment, tree: '' });
      else kept.push({ name, problem });
    }
    notices.tell('is not published', unused);
    notices.tell('a set-up without a file is kept: put the file back, and remove it with a commit', kept);
    return found;
  }

  /** Set-ups of an environment that there was: with its files they go, while nobody reads its folders any more. */
  function isMine({ part, environment, tree }: PublishedArtifact): boolean {
    if (environments.includes(environment)) return setUps || part === 'folder';
    return setUps && part === 'set-up' && tree !== '';
  }

  /** A folder may have been changed and changed back: who follows that waits for an artifact of a newer commit. */
  async function touchedUpTo(head: string): Promise<(name: string) => boolean> {
    if (head === done) return () => false;
    if (done === null) return (name) => artifacts.published.get(name)?.commit !== head;
    const touched = new Set<string>();
    await repository.mainline(head, done, ({ changes }) => {
      for (const { path } of changes) {
        const name = publications.nameOfPath(path);
        if (name !== undefined) touched.add(name);
      }
      return true;
    });
    return (name) => touched.has(name);
  }

  function isAsOffered(name: string, tree: string): boolean {
    const seen = artifacts.published.get(name);
    const digest = offered.get(name);
    if (!seen || digest === undefined) return false;
    return seen.tree === tree && seen.digest === digest && seen.url === `${origin}/${shelf.pathOf(digest)}`;
  }

  async function publishOne(name: string, publication: Publication, head: string): Promise<void> {
    const { part, owner, environment, tree } = publication;
    const { content, digest, leftOut } = await publications.pack(publication, head);
    if (leftOut.length > 0) logger.warn({ leftOut }, 'files that would command Flux are not published');
    await shelf.put(digest, content);
    offered.set(name, digest);
    const path = shelf.pathOf(digest);
    const from = { name, part, owner, environment, branch, commit: head, tree };
    const offer = { ...from, digest, path, url: `${origin}/${path}`, size: content.length };
    // Before there is anything to apply, so that it is applied at once.
    if (part === 'set-up') await followers.follow({ name, owner, environment });
    await offerUntilTaken(offer);
    if (tree === '') followers.forget(name);
  }

  async function offerUntilTaken(offer: ArtifactOffer): Promise<void> {
    const { name, tree, commit: head } = offer;
    for (let attempt = 1; attempt <= maxTries; attempt++) {
      const before = artifacts.published.get(name)?.commit;
      if (before === head && isAsOffered(name, tree)) return;
      if (await isLeftAlone(offer, artifacts.published.get(name))) return;
      if (await artifacts.offer(offer, signal)) return;
      await delay(50 * attempt, signal);
    }
    throw new Error(`the artifact ${name} is changed by others without pause`);
  }

  /** Asked before each try: another writer may have come between. */
  async function isLeftAlone(offer: ArtifactOffer, seen: PublishedArtifact | undefined): Promise<boolean> {
    if (seen === undefined) return false;
    // Another writer is ahead of this one.
    if (seen.commit !== undefined && (await isOlder(offer.commit, seen.commit))) return true;
    if (offer.part === 'folder' || offer.tree !== '' || seen.tree === '') return false;
    return (await whyKept(repository, offer.commit, seen, [])) !== undefined;
  }

  async function isOlder(commit: string, than: string): Promise<boolean> {
    return commit !== than && (await repository.contains(than, commit).catch(() => false));
  }

  async function publish(head: string): Promise<void> {
    await artifacts.synced;
    const isTouched = await touchedUpTo(head);
    const all = [...(await publicationsAt(head))];
    const due = all.filter(
      ([name, { tree }]) => isTouched(name) || failed.has(name) || !isAsOffered(name, tree),
    );
    const problems = new Map<string, unknown>();
    const worker = async () => {
      for (let next = due.shift(); next; next = due.shift()) {
        const [name, publication] = next;
        await publishOne(name, publication, head).catch((err: unknown) => {
          if (!signal.aborted) logger.warn({ err, ...publication }, 'a tenant could not be published');
          problems.set(name, err);
        });
      }
    };
    await Promise.all(Array.from({ length: maxAtOnce }, worker));
    done = head;
    failed = new Set(problems.keys());
    await shelf.sweep(neededArchives());
    await followers.renew();
    const [first] = problems.values();
    // What is wrong with the clone is put right, whoever's folder showed it.
    const damage = [...problems.values()].find((problem) => problem instanceof DamagedCopyError);
    if (first !== undefined) throw damage ?? first;
  }

  /** What the cluster still has, too: of a folder that cannot be packed it has an older archive. */
  function neededArchives(): Set<string> {
    const needed = new Set(offered.values());
    for (const { digest } of artifacts.published.values()) if (digest !== undefined) needed.add(digest);
    return needed;
  }

  async function publishNow(findHead: () => Promise<string> | string): Promise<void> {
    clearTimeout(timer);
    try {
      await publish(await findHead());
      failures = 0;
    } catch (error) {
      failures += 1;
      if (error instanceof DamagedCopyError) await repository.repair().catch(() => {});
      throw error;
    } finally {
      plan();
    }
  }

  function plan(): void {
    if (signal.aborted) return;
    clearTimeout(timer);
    const retryMs = failures === 0 ? lookEveryMs : backoffMs(failures, { firstMs: 200, maxMs: maxRetryMs });
    timer = setTimeout(() => void look().catch(report), retryMs);
    timer.unref();
  }

  function report(err: unknown): void {
    if (!signal.aborted) logger.warn({ err }, 'the newest commits are not handed to Flux yet');
  }

  const look = () => queue.add('look', () => publishNow(() => repository.refresh()));
  function pushed(): void {
    if (!signal.aborted) queue.add('pushed', () => publishNow(() => repository.head())).catch(report);
  }

  plan();
  return {
    port: shelf.port,
    look,
    pushed,
    async [Symbol.asyncDispose]() {
      stopping.abort(new TowlineError('unavailable', 'the manifest-writer is stopping'));
      clearTimeout(timer);
      await artifacts[Symbol.asyncDispose]();
      await queue.idle();
      await shelf[Symbol.asyncDispose]();
    },
  };
}

/** One piece of work at a time; a kind that waits already is not added once more. */
function createLastInLine() {
  const waiting = new Map<string, Promise<void>>();
  let last: Promise<unknown> = Promise.resolve();
  return {
    add(kind: string, work: () => Promise<void>): Promise<void> {
      const known = waiting.get(kind);
      if (known) return known;
      const result = last.then(() => {
        waiting.delete(kind);
        return work();
      });
      waiting.set(kind, result);
      last = result.catch(() => {});
      return result;
    },
    idle: () => last,
  };
}
