import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRepository, git, stackFiles } from '../pipeline/platform-in-memory.test.ts';

/** A repository of a forge, in a folder of its id: names and owners change, commits stay. */
export interface ForgeRepository {
  id: string;
  functionNames: readonly string[];
  head(): string;
  /** Mostly a new commit, at times a forced way back. */
  push(random: () => number): { before: string; after: string };
  /** Its heads can be read by whom the owner let, or by nobody. */
  showTo(ownerId: string | undefined): void;
  /** Commits whose push has to be on record: it was accepted, and nothing but pushes happened since. */
  expected: ReadonlySet<string>;
  expect(commit: string): void;
  changed(): void;
}

/** The file that says whose it is as long as it may be read. */
export const ownerFile = 'towline-owner';

/** Where the process that is killed is told of its forges. */
export const placeFile = 'forges.json';

export function createForgeRepository(root: string, scm: string, id: string): ForgeRepository {
  const repo = createRepository(root, scm, id);
  const functionNames = [`${scm}-${id}-a`, `${scm}-${id}-b`];
  const expected = new Set<string>();
  let count = 0;
  const made: ForgeRepository = {
    ...{ id, functionNames, expected, head: repo.head },
    push(random) {
      const before = repo.head();
      count += 1;
      if (count > 3 && random() < 0.15) {
        git(repo.dir, 'reset', '--quiet', '--hard', 'HEAD~1');
        return { before, after: repo.head() };
      }
      const [a = '', b = ''] = functionNames;
      repo.commit(stackFiles({ [a]: `a ${count}`, [b]: `b ${count}` }));
      return { before, after: repo.head() };
    },
    showTo(ownerId) {
      const file = join(repo.dir, '.git', ownerFile);
      if (ownerId === undefined) rmSync(file, { force: true });
      else writeFileSync(file, ownerId);
    },
    expect: (commit) => void expected.add(commit),
    changed: () => expected.clear(),
  };
  made.push(() => 1);
  return made;
}

export interface ForgeSurroundings {
  root: string;
  random: () => number;
  /** Of the builder that lives now, or lived last. */
  port: () => number;
  accepted: (deliveryId: string) => void;
}

/** `whose`: under which name it has to be deployed, with its head; `undefined`: nowhere. */
export type ExpectedRepository = Pick<ForgeRepository, 'id' | 'functionNames' | 'head' | 'expected'> & {
  whose: string | undefined;
};

/** What a forge does while the builder is killed. */
export interface Forge extends AsyncDisposable {
  /** One thing happens to one repository, and hooks tell of it, or do not. */
  move(): Promise<void>;
  /** What is put to sleep hears nothing, so that nothing can be expected of it. */
  wakeAll(): Promise<void>;
  /** Tells once more what was never accepted, if somebody there can. */
  settle(): Promise<void>;
  repositories(): ExpectedRepository[];
  /** How many deliveries there were. */
  told(): number;
}
