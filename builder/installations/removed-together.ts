import type { ManifestWriter } from '../../core/manifest-writer.ts';
import type { RemovedTogether, RepositoryDeletedEvent } from '../../core/source-event.ts';
import type { KnownRepository } from '../source/source-access.ts';
import type { ServedRepository } from './installation-store.ts';

export interface RemovedTogetherDeps {
  known: () => Promise<KnownRepository[]>;
  environments: readonly string[];
  /** Functions of an owner in an environment. */
  current: ManifestWriter['current'];
}

/** How much goes with repositories of one owner that leave for one reason; throws while the writer cannot be asked. */
export type RemovedTogetherOf = (
  leaving: readonly ServedRepository[],
) => Promise<RepositoryDeletedEvent['together']>;

/** Has to be asked before the first of them goes. */
export function createRemovedTogether(deps: RemovedTogetherDeps): RemovedTogetherOf {
  async function sizeIn(environment: string, owner: string, repositories: ReadonlySet<string>) {
    const present = await deps.current(owner, environment);
    const going = present.filter(({ repo }) => repo !== null && repositories.has(repo));
    return { functions: going.length, present: present.length };
  }

  return async (leaving) => {
    const [first] = leaving;
    if (!first || leaving.length === 1) return undefined;
    const ids = new Set(leaving.map(({ id }) => id));
    const isLeaving = ({ scm, repository: { id, ownerId } }: KnownRepository) =>
      scm === first.scm && ownerId === first.ownerId && ids.has(id);
    const found = (await deps.known()).filter(isLeaving).map(({ repository }) => repository);
    const [known] = found;
    if (!known) return undefined;
    const names = new Set(found.map(({ name }) => name));
    const sizes: Record<string, RemovedTogether> = {};
    for (const environment of deps.environments)
      sizes[environment] = await sizeIn(environment, known.owner, names);
    return sizes;
  };
}
