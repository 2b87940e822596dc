import { type Delivery, laneKey } from '../deliveries/delivery-log.ts';

const maxMoves = 50;
const maxRepositories = 1000;

/**
 * The newest pushes of each repository, ended ones too: without them a branch that was forced back looks as if its
 * last move were its first. What is forgotten here is asked of the branch itself when it is about to be committed.
 */
export interface RecentMoves {
  of(delivery: Delivery): readonly Delivery[];
  add(delivery: Delivery): void;
}

export function createRecentMoves(): RecentMoves {
  const repositories = new Map<string, Delivery[]>();
  return {
    of: ({ event }) => repositories.get(laneKey(event)) ?? [],
    add(delivery) {
      const { event, origin } = delivery;
      if (event.type !== 'push' || origin === 'rebuild') return;
      const key = laneKey(event);
      const moves = repositories.get(key) ?? [];
      // The newest repositories are at the end.
      repositories.delete(key);
      repositories.set(key, [...moves, delivery].slice(-maxMoves));
      const [oldest] = repositories.keys();
      if (repositories.size > maxRepositories && oldest !== undefined) repositories.delete(oldest);
    },
  };
}
