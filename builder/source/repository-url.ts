/** A repository's or a host's URL in parts that can be compared; nothing of it is escaped. */
export interface RepositoryUrl {
  protocol: 'https:' | 'http:' | 'ssh:';
  /** In lower case, with the port if it is not the protocol's own. */
  host: string;
  /** Of ssh. */
  username: string;
  /** Begins with a slash and doesn't end with one. */
  path: string;
}

/** `git@host:path/to.git`, as people write it for ssh. */
const scpLike = /^(?:([A-Za-z0-9._-]+)@)?([A-Za-z0-9.-]+):(?!\/\/)(.+)$/;
/** What forges allow in paths; nothing that a server, a shell or another parser may read as something else. */
const plainPath = /^(?:\/[A-Za-z0-9_~+][A-Za-z0-9._~+-]*)*$/;
const maxLength = 2000;

function isProtocol(text: string): text is RepositoryUrl['protocol'] {
  return text === 'https:' || text === 'http:' || text === 'ssh:';
}

/** The scp-like form written as a URL. */
function asUrl(text: string): string {
  const [, user = 'git', host, path = ''] = text.includes('://') ? [] : (scpLike.exec(text) ?? []);
  return host === undefined ? text : `ssh://${user}@${host}/${path.replace(/^\//, '')}`;
}

function pathOf(written: string, { pathname }: URL): string | undefined {
  const path = pathname.replace(/\/$/, '');
  const [, asWritten = ''] = /^[a-z]+:\/\/[^/]*(\/.*?)?\/?$/i.exec(written) ?? [];
  // The parser resolves dots: what it changed was no plain path.
  return plainPath.test(path) && asWritten === path ? path : undefined;
}

/** `undefined` for anything but an http, https or ssh URL that is exactly what it seems. */
export function parseRepositoryUrl(text: string): RepositoryUrl | undefined {
  if (text.length > maxLength || /[\s\\%?#\p{Cc}]/u.test(text)) return undefined;
  const written = asUrl(text);
  if (!URL.canParse(written)) return undefined;
  const url = new URL(written);
  const { protocol, username, password } = url;
  const host = url.host.toLowerCase().replace(protocol === 'ssh:' ? /:22$/ : /$^/, '');
  // A leading hyphen would be an option of ssh.
  if (!isProtocol(protocol) || !/^[a-z0-9[]/.test(host) || password !== '') return undefined;
  if (username !== '' && (protocol !== 'ssh:' || !/^\w[\w.-]*$/.test(username))) return undefined;
  const path = pathOf(written, url);
  return path === undefined ? undefined : { protocol, host, username, path };
}

/** Whether a repository lies on a host, and below its path where that has one. */
export function isBelow(repository: RepositoryUrl, base: RepositoryUrl): boolean {
  if (repository.protocol !== base.protocol || repository.host !== base.host) return false;
  return repository.path.startsWith(`${base.path}/`);
}

/** The user is the base's own, whatever the repository's URL names. */
export function locationUrl(repository: RepositoryUrl, base: RepositoryUrl): string {
  const user = base.protocol === 'ssh:' ? `${base.username || 'git'}@` : '';
  return `${base.protocol}//${user}${base.host}${repository.path}`;
}
