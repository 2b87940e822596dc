import { remoteHeads } from './remote-heads.ts';
import type { BranchHead, HeadsOptions, KnownRepository, SourceAccess } from './source-access.ts';

export interface KnownHeadsOptions extends HeadsOptions {
  isDeployed: Parameters<SourceAccess['heads']>[0];
  locate: SourceAccess['locate'];
  /** `PATH` of the git processes. */
  path: string;
  onUnreachable: (known: KnownRepository, error: unknown) => void;
}

/** Repositories that are asked at the same time. */
const parallel = 4;

/** Asks for the heads of repositories that are known. One that doesn't answer is told of and left out. */
export async function* knownHeads(options: KnownHeadsOptions): AsyncGenerator<BranchHead> {
  const { known, signal, isDeployed } = options;

  async function headsOf(one: KnownRepository): Promise<BranchHead[]> {
    try {
      const location = await options.locate(one.repository, one);
      const { defaultBranch, branches } = await remoteHeads({ location, path: options.path }, signal);
      const repository = { ...one.repository, ...(defaultBranch === undefined ? {} : { defaultBranch }) };
      return branches
        .filter(({ branch }) => isDeployed(repository, branch))
        .map((each) => ({ ...each, repository, scm: one.scm, installationId: one.installationId }));
    } catch (error) {
      signal.throwIfAborted();
      options.onUnreachable(one, error);
      options.onNoAnswer?.(one);
      return [];
    }
  }

  for (let start = 0; start < known.length; start += parallel) {
    const found = await Promise.all(known.slice(start, start + parallel).map(headsOf));
    yield* found.flat();
  }
}
