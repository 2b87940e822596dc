import type { SourceEvent } from '../../core/source-event.ts';

/** Where and how a repository is fetched. Credentials go in `env` (git configuration), never into the URL. */
export interface SourceLocation {
  url: string;
  env: Record<string, string>;
}

/** Which forge a repository was named by, and by which of the App's installations. */
export type SourceOrigin = Pick<SourceEvent, 'scm' | 'installationId'>;

/** A repository that events were accepted for. */
export interface KnownRepository extends SourceOrigin {
  repository: SourceEvent['repository'];
}

/** The tip of a branch that may be built. */
export interface BranchHead extends Partial<SourceOrigin> {
  repository: SourceEvent['repository'];
  branch: string;
  head: string;
  /** Who pushed it, if the host knows. */
  actor?: SourceEvent['actor'] | undefined;
}

export interface HeadsOptions {
  /** What the delivery log knows: a host that can't be asked for its repositories is asked for these. */
  known: readonly KnownRepository[];
  /** Told of each of `known` that is asked for here and gave no answer. */
  onNoAnswer?: ((known: KnownRepository) => void) | undefined;
  signal: AbortSignal;
}

/** Turns an event's repository into a location that the installation trusts, whatever URL the event itself names. */
export interface SourceAccess {
  /** Throws `source_unavailable` if this installation does not serve the repository. */
  locate(repository: SourceEvent['repository'], origin: SourceOrigin): Promise<SourceLocation>;
  /**
   * Branches that are deployed, to compare with what was built: nothing pushed while nobody listened is lost. A
   * repository that can't be reached is left out.
   */
  heads(
    isDeployed: (repository: SourceEvent['repository'], branch: string) => boolean,
    options: HeadsOptions,
  ): AsyncIterable<BranchHead>;
}
