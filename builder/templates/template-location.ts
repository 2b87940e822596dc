/** A repository of templates, and which commit of it. */
export interface TemplateLocation {
  /** As `templateUrl` gives it. */
  url: string;
  /** A branch, a tag or a whole commit id; not given: the head of the repository. */
  ref?: string | undefined;
}

const protocols = new Set(['https:', 'http:', 'ssh:', 'file:']);
/** No leading "-", which a program might take for an option, and no wildcards. */
const plainHost = /^(?:[a-z0-9][a-z0-9.-]*|\[[0-9a-f:.]+\])$/;
const plainUser = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;
/** What a URL's path is made of; `%` could hide a slash or dots. */
const plainPath = /^\/[A-Za-z0-9._~/-]+$/;

/**
 * A template source's URL in the one form that is compared and fetched; `undefined` if it is none, or carries
 * credentials. `git@host:path` is `ssh://git@host/path`.
 */
export function templateUrl(text: string): string | undefined {
  const short = /^([A-Za-z0-9_-]+)@([A-Za-z0-9.-]+):([^/].*)$/.exec(text);
  const written = short ? `ssh://${short[1]}@${short[2]}/${short[3]}` : text;
  if (/[\s\\]/.test(written) || !URL.canParse(written)) return undefined;
  const url = new URL(written);
  if (!protocols.has(url.protocol) || url.password !== '' || url.search !== '' || url.hash !== '') {
    return undefined;
  }
  if (url.username !== '' && (url.protocol !== 'ssh:' || !plainUser.test(url.username))) return undefined;
  if (!plainPath.test(url.pathname) || url.pathname.includes('//')) return undefined;
  if (url.protocol === 'file:' ? url.host !== '' : !plainHost.test(url.hostname)) return undefined;
  url.pathname = url.pathname.replace(/\/$/, '');
  return url.href;
}

/** Hosts serve a repository with and without the ending, but some only redirect from one to the other. */
const withoutEnding = (url: string) => url.replace(/\.git$/, '');

/** Whether two URLs that `templateUrl` gave are those of one repository. */
export function isSameRepository(url: string, other: string): boolean {
  return withoutEnding(url) === withoutEnding(other);
}

/** An operator's `https://host/repository#ref`; `undefined` if it is none. */
export function templateLocation(text: string): TemplateLocation | undefined {
  const [written = '', ref, ...rest] = text.split('#');
  const url = templateUrl(written);
  if (url === undefined || rest.length > 0 || ref === '') return undefined;
  return ref === undefined ? { url } : { url, ref };
}

/**
 * Whether an operator's list of patterns has a URL that `templateUrl` gave: `https://host/team/*` is everything below,
 * anything else one repository. A folder of this machine has to be named exactly.
 */
export function isAllowed(url: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const below = pattern.endsWith('/*') ? pattern.slice(0, -1) : undefined;
    if (below === undefined) {
      const exact = templateUrl(pattern);
      return exact !== undefined && isSameRepository(exact, url);
    }
    return !url.startsWith('file:') && url.startsWith(below) && url.length > below.length;
  });
}

/** Whether an operator's pattern can ever match: whole host, no wildcards but the last. */
export function isPattern(pattern: string): boolean {
  const repository = pattern.endsWith('/*') ? `${pattern.slice(0, -1)}x` : pattern;
  const url = templateUrl(repository);
  if (url === undefined) return false;
  return repository === pattern || (url === repository && !url.startsWith('file:'));
}
