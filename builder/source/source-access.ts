import type { SourceEvent } from '../../core/source-event.ts';

/** Where and how a repository is fetched. Credentials go in `env` (git configuration), never into the URL. */
export interface SourceLocation {
  url: string;
  env: Record<string, string>;
}

/** The tip of a branch that may be built. */
export interface BranchHead {
  repository: SourceEvent['repository'];
  branch: string;
  head: string;
  /** Who pushed it, if the host knows. */
  actor?: SourceEvent['actor'] | undefined;
}

/** Turns an event's repository into a location that the installation trusts, whatever URL the event itself names. */
export interface SourceAccess {
  /** Throws `source_unavailable` if this installation does not serve the repository. */
  locate(repository: SourceEvent['repository']): Promise<SourceLocation>;
  /** Branches that are deployed, to compare with what was built, after a restart: nothing pushed meanwhile is lost. */
  heads(
    isDeployed: (repository: SourceEvent['repository'], branch: string) => boolean,
  ): AsyncIterable<BranchHead>;
}
