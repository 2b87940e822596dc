import type { DatabaseSync } from 'node:sqlite';

/** Gathers writes that come at the same time into one transaction, and so into one sync of the disk. */
export interface GroupCommit {
  /** On disk when it resolves. `work` runs at once with others; if it throws, nothing of it stays, and the others do. */
  run<T>(work: () => T): Promise<T>;
}

interface Entry {
  work: () => unknown;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

type Outcome = { value: unknown } | { error: unknown };

/** How many wait for one sync at most: each also holds up the process while it is written. */
const maxGroup = 200;

/** The connection must not be in a transaction of its own between turns of the event loop. */
export function createGroupCommit(database: DatabaseSync): GroupCommit {
  let waiting: Entry[] = [];

  function attempt({ work }: Entry): Outcome {
    database.exec('SAVEPOINT one');
    try {
      const value = work();
      database.exec('RELEASE one');
      return { value };
    } catch (error) {
      database.exec('ROLLBACK TO one; RELEASE one');
      return { error };
    }
  }

  function commit(group: readonly Entry[]): Outcome[] {
    database.exec('BEGIN IMMEDIATE');
    try {
      const outcomes = group.map(attempt);
      database.exec('COMMIT');
      return outcomes;
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }

  function flush(): void {
    const group = waiting.slice(0, maxGroup);
    waiting = waiting.slice(maxGroup);
    if (waiting.length > 0) setImmediate(flush);
    let outcomes: Outcome[];
    try {
      outcomes = commit(group);
    } catch (error) {
      outcomes = group.map(() => ({ error }));
    }
    for (const [index, { resolve, reject }] of group.entries()) {
      const outcome = outcomes[index];
      if (outcome && 'value' in outcome) resolve(outcome.value);
      else reject(outcome?.error);
    }
  }

  return {
    run<T>(work: () => T): Promise<T> {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      // After the requests that are there already had their turn.
      if (waiting.length === 0) setImmediate(flush);
      waiting.push({ work, resolve, reject });
      return promise as Promise<T>;
    },
  };
}
