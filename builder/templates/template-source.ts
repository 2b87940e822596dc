import type { TemplateLocation } from './template-location.ts';

/** Repositories of templates. */
export interface TemplateSource {
  /**
   * The commit that a location names now; one that names a commit is not asked for. Throws `remote_unavailable` for what
   * may pass by itself, `source_unavailable` if there is no such repository, branch or tag.
   */
  commitOf(location: TemplateLocation, signal: AbortSignal): Promise<string>;
  /**
   * The repository's `template` folder at a commit, on this machine: `<folder>/<language>/template.yml`. It stays there
   * for the hours that a build may take. What was fetched once needs no network. Throws as `commitOf` does, and
   * `context_too_large`.
   */
  folder(location: TemplateLocation, commit: string, signal: AbortSignal): Promise<string>;
}
