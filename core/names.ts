import { z } from 'zod';

/** Owners that would shadow the platform's own hosts, first path segments, or objects in a cluster. */
export const reservedOwners: ReadonlySet<string> = new Set([
  'system',
  'auth',
  'api',
  'www',
  'git',
  'admin',
  'status',
  'new',
  'login',
  'logout',
  'settings',
  'c',
  'r',
  'device',
  'badge',
  'assets',
  'webhooks',
  'healthz',
  'readyz',
  'metrics',
  'registry',
  'default',
  'towline',
]);

/** File names in a tenant's folder that mean something to Flux, to kustomize or to Towline itself. */
const reservedFileNames: ReadonlySet<string> = new Set(['tenant', 'kustomization']);

/** Pages of an owner in the dashboard, beside those of its functions: core/paths.ts. */
const ownerPages: ReadonlySet<string> = new Set(['pushes', 'repos', 'removals', 'activity']);

const dnsLabel = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const maxLabel = 63;
const maxOwner = 39;

/** Why `slug` cannot be an owner, or `undefined` if it can. An owner is one lower-case DNS label. */
export function whyNotOwner(slug: string): string | undefined {
  if (!dnsLabel.test(slug)) return 'an owner is 1 to 39 lower-case letters, digits and inner hyphens';
  if (slug.length > maxOwner) return `an owner has at most ${maxOwner} characters`;
  if (reservedOwners.has(slug)) return `"${slug}" is reserved for the platform`;
  return undefined;
}

/** Why `name` cannot be a function of `owner`, or `undefined` if it can. */
export function whyNotFunction(owner: string, name: string): string | undefined {
  if (!dnsLabel.test(name)) {
    return 'a function name is 1 to 63 lower-case letters, digits and inner hyphens (a DNS label)';
  }
  if (reservedFileNames.has(name)) return `"${name}" has a meaning of its own in a GitOps repository`;
  if (ownerPages.has(name)) return `"${name}" is the address of a page in the dashboard`;
  if (objectName(owner, name).length > maxLabel) {
    return `"${objectName(owner, name)}" is longer than the ${maxLabel} characters that Kubernetes allows`;
  }
  return undefined;
}

/** The object's name in the shared namespace. Two tenants can compute the same one: see the writer's claims. */
export function objectName(owner: string, functionName: string): string {
  return `${owner}-${functionName}`;
}

export const OwnerSlug = z.string().refine((slug) => whyNotOwner(slug) === undefined, {
  error: (issue) => whyNotOwner(String(issue.input)) ?? 'not an owner',
});

const repoName = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/;

/** A repository's last path segment, as forges allow it; never `.`, `..` or `*.git`. */
export const RepoName = z
  .string()
  .regex(repoName, 'a repository name is 1 to 100 letters, digits, dots, hyphens and underscores')
  .refine(
    (name) => !name.endsWith('.git') && !name.includes('..'),
    'a repository name has no ".git" ending and no ".."',
  );

export const CommitSha = z.string().regex(/^[0-9a-f]{40}$/, 'a full, lower-case commit id');

/** What git sends as the id of "no commit" when a ref is created or deleted. */
export const zeroSha = '0'.repeat(40);

const branchRef = /^refs\/heads\/(.+)$/;

/** The branch of a full ref, or `undefined` for tags and other refs. */
export function branchOf(ref: string): string | undefined {
  return branchRef.exec(ref)?.[1];
}

export interface ImageNameParts {
  registry: string;
  owner: string;
  repo: string;
  functionName: string;
  branch: string;
  sha: string;
}

/** `<registry>/<owner>/<repo>-<function>:latest-<branch>-<sha7>`, made valid for the OCI grammar. */
export function imageName(parts: ImageNameParts): string {
  const name = `${parts.repo}-${parts.functionName}`
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '');
  const branch = parts.branch.replace(/[^A-Za-z0-9_.-]+/g, '-').slice(0, 100);
  return `${parts.registry}/${parts.owner}/${name}:latest-${branch}-${parts.sha.slice(0, 7)}`;
}

/** The digest of a reference that ends in one. */
export function digestOf(image: string): string | undefined {
  return /@(sha256:[0-9a-f]{64})$/.exec(image)?.[1];
}

/** A Kubernetes label value (63 characters, `[A-Za-z0-9._-]`, alphanumeric ends) that resembles `value`. */
export function labelValue(value: string): string {
  return value
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .slice(0, maxLabel)
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');
}
