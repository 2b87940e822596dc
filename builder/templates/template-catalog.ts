import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { TowlineError } from '../../core/errors.ts';
import { resolveInside } from '../context/repository-path.ts';
import { isDockerfile, isLanguageName, languageUnknown, loadTemplate } from './load-templates.ts';
import type { Template, TemplateCatalog, TemplateOrigin, TemplateRequest } from './template.ts';
import { isAllowed, isSameRepository, type TemplateLocation, templateUrl } from './template-location.ts';
import type { TemplateSource } from './template-source.ts';

export interface TemplatePolicy {
  /** What `configuration.templates` may name: repositories, or `https://host/team/*` for all below. */
  allowedSources: readonly string[];
  /** Repositories that every stack file can take languages from. */
  repositories: readonly TemplateLocation[];
  /** Whether a repository's own `template` folder counts, as with faas-cli. */
  allowsLocal: boolean;
}

export interface TemplateCatalogDeps {
  bundled: TemplateCatalog;
  source: TemplateSource;
  policy: TemplatePolicy;
  now?: (() => number) | undefined;
}

/** All functions of a push get one commit, and the host isn't asked for each of them. */
const commitKeptMs = 15_000;
const maxCommitsKept = 500;

/**
 * Looks for a language as faas-cli does: the repository's own folder, the source that bears its name, the bundled ones,
 * the stack file's other sources; then the installation's repositories.
 */
export function createTemplateCatalog(deps: TemplateCatalogDeps): TemplateCatalog {
  const { bundled, policy } = deps;
  const commits = createCommits(deps);

  async function fromLocation(
    language: string,
    location: TemplateLocation,
    request: TemplateRequest,
  ): Promise<Template | undefined> {
    const commit = await commits(location, request.signal);
    const folder = await deps.source.folder(location, commit, request.signal);
    const origin = { kind: 'git', source: location.url, commit } as const;
    return fromFolder(folder, language, origin);
  }

  async function fromRepository(language: string, request: TemplateRequest): Promise<Template | undefined> {
    const template = await fromFolder(join(request.sourceDir, 'template'), language, { kind: 'repository' });
    if (!template || policy.allowsLocal) return template;
    request.warn(`template/${language} is not used: this installation takes no templates from repositories`);
    return undefined;
  }

  async function fromReferences(
    language: string,
    request: TemplateRequest,
    isNamed: boolean,
  ): Promise<Template | undefined> {
    for (const reference of request.references) {
      if ((reference.name === language) !== isNamed || reference.source === undefined) continue;
      const location = allowedLocation(policy, reference.source, reference.ref);
      if (!location) throw refusedSource(reference.source, reference.place, policy);
      const template = await fromLocation(language, location, request);
      if (template) return template;
    }
    return undefined;
  }

  async function fromInstallation(language: string, request: TemplateRequest): Promise<Template | undefined> {
    for (const location of policy.repositories) {
      const template = await fromLocation(language, location, request);
      if (template) return template;
    }
    return undefined;
  }

  return {
    find: bundled.find,
    languages: bundled.languages,
    isOpen: policy.repositories.length > 0,
    async resolve(language, request) {
      if (isDockerfile(language)) return null;
      const unknown = () => languageUnknown(language, bundled.languages(), request.place);
      if (!isLanguageName(language)) throw unknown();
      const template =
        (await fromRepository(language, request)) ??
        (await fromReferences(language, request, true)) ??
        bundled.find(language) ??
        (await fromReferences(language, request, false)) ??
        (await fromInstallation(language, request));
      if (!template) throw unknown();
      return template;
    },
  };
}

/** The template in `<folder>/<language>`; `undefined` if there is none. Links are not followed out of the folder. */
async function fromFolder(
  folder: string,
  language: string,
  origin: TemplateOrigin,
): Promise<Template | undefined> {
  const root = await realpath(folder).catch(() => undefined);
  if (root === undefined) return undefined;
  const found = await resolveInside(root, `${language}/template.yml`);
  if (!found.found) return undefined;
  // A template that is a link would take its files from somewhere else.
  if (found.segments.join('/') !== `${language}/template.yml`) {
    throw new TowlineError('path_escapes', `the template "${language}" is a symbolic link`);
  }
  return { ...(await loadTemplate(join(root, language), language, 'stack_invalid')), origin };
}

function allowedLocation(
  policy: TemplatePolicy,
  source: string,
  ref: string | undefined,
): TemplateLocation | undefined {
  const url = templateUrl(source);
  if (url === undefined) return undefined;
  const isOwn = policy.repositories.some((location) => isSameRepository(location.url, url));
  return isOwn || isAllowed(url, policy.allowedSources) ? { url, ref } : undefined;
}

function refusedSource(
  source: string,
  place: TemplateRequest['place'],
  policy: TemplatePolicy,
): TowlineError {
  const shown = JSON.stringify(source.length > 120 ? `${source.slice(0, 120)}…` : source);
  const allowed = [...policy.allowedSources, ...policy.repositories.map(({ url }) => url)];
  const hint =
    allowed.length === 0 ? 'it allows none but its own' : `it allows: ${allowed.slice(0, 10).join(', ')}`;
  if (templateUrl(source) !== undefined) {
    const message = `this installation does not take templates from ${shown}`;
    return new TowlineError('policy_refused', message, { place, hint });
  }
  // What cannot be a URL may hold credentials: it is not told on.
  return new TowlineError('policy_refused', 'the source of a template is no URL that can be fetched', {
    place,
    hint: 'write it as https://host/repository#ref, without credentials',
  });
}

/** Which commit a location names, kept for some seconds. */
function createCommits({ source, now = Date.now }: TemplateCatalogDeps) {
  const kept = new Map<string, { commit: string; until: number }>();
  return async (location: TemplateLocation, signal: AbortSignal): Promise<string> => {
    const key = `${location.url}#${location.ref ?? ''}`;
    const known = kept.get(key);
    if (known && known.until > now()) return known.commit;
    const commit = await source.commitOf(location, signal);
    kept.delete(key);
    if (kept.size >= maxCommitsKept) kept.clear();
    kept.set(key, { commit, until: now() + commitKeptMs });
    return commit;
  };
}
