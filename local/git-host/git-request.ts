import { OwnerSlug, RepoName } from '../../core/names.ts';

export type GitService = 'git-upload-pack' | 'git-receive-pack';

/** What a request's path names. `owner` is absent in the short form `/git/<repo>.git`: the token's owner. */
export type GitTarget = { kind: 'gitops' } | { kind: 'source'; owner: string | undefined; name: string };

export interface GitRequest {
  target: GitTarget;
  service: GitService;
  /** `advertise` lists the refs; `exchange` carries the packs. */
  step: 'advertise' | 'exchange';
}

/** An answer that ends a request, as plain text: git shows it to the person. */
export interface Refusal {
  status: number;
  message: string;
  headers?: Record<string, string>;
}

const pathShape = /^\/(?:([^/]+)\/)?([^/]+)\.git\/(info\/refs|git-upload-pack|git-receive-pack)$/;
const adverts: Record<string, GitService> = {
  'service=git-upload-pack': 'git-upload-pack',
  'service=git-receive-pack': 'git-receive-pack',
};

const nothingHere: Refusal = {
  status: 404,
  message: 'Nothing is here. A repository is at /git/<owner>/<repository>.git, for git over smart HTTP only.',
};

export function isRefusal(result: object): result is Refusal {
  return 'status' in result;
}

function parseTarget(owner: string | undefined, name: string): GitTarget | undefined {
  if (owner === undefined && name === 'gitops') return { kind: 'gitops' };
  if (owner !== undefined && !OwnerSlug.safeParse(owner).success) return undefined;
  return RepoName.safeParse(name).success ? { kind: 'source', owner, name } : undefined;
}

function parseStep(last: string, query: string): Pick<GitRequest, 'service' | 'step'> | undefined {
  if (last !== 'info/refs') return { service: last as GitService, step: 'exchange' };
  const service = Object.hasOwn(adverts, query) ? adverts[query] : undefined;
  return service && { service, step: 'advertise' };
}

export interface RequestLine {
  method: string;
  url: string;
  contentType: string | undefined;
  contentEncoding: string | undefined;
}

function checkBody(request: GitRequest, line: RequestLine): Refusal | undefined {
  const wanted = request.step === 'advertise' ? 'GET' : 'POST';
  if (line.method !== wanted) {
    return { status: 405, message: `Only ${wanted} is answered here.`, headers: { allow: wanted } };
  }
  const type = `application/x-${request.service}-request`;
  if (request.step === 'exchange' && line.contentType !== type) {
    return { status: 415, message: `The content type must be ${type}.` };
  }
  if (line.contentEncoding !== undefined && !/^(?:x-)?gzip$/i.test(line.contentEncoding)) {
    return { status: 415, message: 'The only content encoding is gzip.' };
  }
  return undefined;
}

/**
 * Reads a request line strictly: nothing is decoded or normalised, so what is checked is what is opened.
 * Only the smart services exist; the dumb protocol's files do not.
 */
export function parseGitRequest(line: RequestLine, basePath: string): GitRequest | Refusal {
  const at = line.url.indexOf('?');
  const path = at < 0 ? line.url : line.url.slice(0, at);
  const query = at < 0 ? '' : line.url.slice(at + 1);
  const match = path.startsWith(`${basePath}/`) ? pathShape.exec(path.slice(basePath.length)) : null;
  if (!match?.[2] || !match[3]) return nothingHere;
  const target = parseTarget(match[1], match[2]);
  const step = parseStep(match[3], query);
  if (!target || !step) return nothingHere;
  const request: GitRequest = { target, ...step };
  return checkBody(request, line) ?? request;
}

/** The password of Basic (the user name does not matter) or the token of Bearer credentials. */
export function tokenOf(authorization: string | undefined): string | undefined {
  const match = /^(basic|bearer) +([A-Za-z0-9+/=._~-]{1,4096})$/i.exec(authorization ?? '');
  if (!match?.[1] || !match[2]) return undefined;
  if (match[1].toLowerCase() === 'bearer') return match[2];
  const decoded = Buffer.from(match[2], 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return colon < 0 ? undefined : decoded.slice(colon + 1) || undefined;
}
