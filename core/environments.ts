import type { FunctionCatalog } from './catalog.ts';
import type { FunctionOutput } from './function-output.ts';
import type { SourceRepository } from './source-event.ts';

/** Where a push to a source repository's main branch goes; its manifests lie below `tenants/`. */
export const defaultEnvironment = 'default';

const dnsLabel = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

/** Why `name` cannot be an environment, or `undefined` if it can: it is a folder and a part of names. */
export function whyNotEnvironment(name: string): string | undefined {
  if (dnsLabel.test(name)) return undefined;
  return 'an environment is 1 to 32 lower-case letters, digits and inner hyphens';
}

/** What a ref of a source repository asks for. */
export type RefTarget =
  | { way: 'deploy'; environment: string }
  /** What `from` has of the ref's commit goes into `environment`, without a build. */
  | { way: 'promote'; from: string; environment: string }
  /** Nothing; `reason` is for whoever pushed it. */
  | { way: 'none'; reason: string };

/** What a repository's own rules know it by. */
export type NamedRepository = Pick<SourceRepository, 'id' | 'owner' | 'name' | 'path'>;

/** Which refs of source repositories go where. */
export interface RefTargets {
  /** Every environment of the installation, the default one too. */
  environments: readonly string[];
  /**
   * `ref` in full, as `refs/heads/main`; `defaultBranch` is its repository's, which may have rules of its own if it is
   * given.
   */
  forRef(ref: string, defaultBranch: string, repository?: NamedRepository): RefTarget;
}

const shortRef = /^refs\/(heads|tags)\/(.+)$/;

/** The kind and the name of a full ref, or `undefined` if it is neither a branch nor a tag. */
export function branchOrTag(ref: string): { kind: 'branch' | 'tag'; name: string } | undefined {
  const [, kind, name] = shortRef.exec(ref) ?? [];
  return name === undefined ? undefined : { kind: kind === 'heads' ? 'branch' : 'tag', name };
}

/** An installation without environments of its own: each repository's default branch is deployed, and nothing else. */
export const defaultBranchOnly: RefTargets = {
  environments: [defaultEnvironment],
  forRef(ref, defaultBranch) {
    const found = branchOrTag(ref);
    if (found === undefined) return { way: 'none', reason: `${ref} is not a branch` };
    if (found.kind === 'tag') return { way: 'none', reason: `tags are not deployed (${found.name})` };
    if (found.name === defaultBranch) return { way: 'deploy', environment: defaultEnvironment };
    const reason = `only the branch ${defaultBranch} is deployed, this push was to ${found.name}`;
    return { way: 'none', reason };
  },
};

/** One environment as this installation serves it. */
export interface ServedEnvironment {
  name: string;
  catalog: FunctionCatalog;
  functionUrl(owner: string, functionName: string): string;
  /** Absent where what functions print is read with the cluster's own tools. */
  output?: FunctionOutput | undefined;
}
