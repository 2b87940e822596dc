import { parse } from 'yaml';
import { TowlineError } from '../core/errors.ts';
import { OpenFaasFunction } from '../core/function-spec.ts';
import type { ManifestWriter } from '../core/manifest-writer.ts';
import { digestOf } from '../core/names.ts';
import type { Reconciler } from '../core/reconciler.ts';
import { gitEnvironment, gitOutput } from '../runtime/git.ts';

export interface GitOpsProgressConfig {
  gitopsPath: string;
  path: string;
  functionUrl(owner: string, functionName: string, environment?: string): string;
  /** Milliseconds that a person is shown the progress of one function. */
  timeoutMs: number;
}

interface Deps {
  writer: ManifestWriter;
  reconciler: Reconciler;
}

interface Push {
  updates: { ref: string; before: string; after: string }[];
}

const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';
const manifestPath = /^(?:environments\/([^/]+)\/)?tenants\/([^/]+)\/([^/]+)\.yaml$/;

interface Place {
  /** Of the manifest. */
  path: string;
  environment: string | undefined;
  owner: string;
  functionName: string;
}
/** A batch of reverts is told one by one up to here. */
const maxTold = 50;

async function changedFunctions(
  config: GitOpsProgressConfig,
  before: string,
  after: string,
): Promise<Place[]> {
  const from = /^0+$/.test(before) ? emptyTree : before;
  const names = await gitOutput({
    args: [
      '--git-dir',
      config.gitopsPath,
      'diff-tree',
      '-r',
      '--name-only',
      '-z',
      from,
      after,
      '--',
      'tenants/',
      'environments/',
    ],
    env: gitEnvironment(config.path),
  });
  return names
    .split('\0')
    .map((name) => manifestPath.exec(name))
    .flatMap((match) => {
      const [path = '', environment, owner, functionName] = match ?? [];
      if (!owner || !functionName || functionName === 'tenant') return [];
      return [{ path, environment, owner, functionName }];
    });
}

/** The digest that a commit asks for; `null` if it removes the function, `undefined` if its manifest can't be read. */
async function wantedDigest(
  writer: ManifestWriter,
  place: Place,
  commit: string,
): Promise<string | null | undefined> {
  try {
    const manifest = OpenFaasFunction.safeParse(parse(await writer.at({ ...place, commit })));
    return manifest.success ? digestOf(manifest.data.spec.image) : undefined;
  } catch (error) {
    if (error instanceof TowlineError && error.code === 'not_found') return null;
    return undefined;
  }
}

async function tell(
  config: GitOpsProgressConfig,
  deps: Deps,
  place: Place,
  commit: string,
  signal: AbortSignal,
): Promise<string> {
  const { path, environment, owner } = place;
  const functionName =
    environment === undefined ? place.functionName : `${place.functionName} in ${environment}`;
  const digest = await wantedDigest(deps.writer, place, commit);
  if (digest === undefined)
    return `==> ${owner}/${functionName}: ${path} is not a valid Function; what was live stays live`;
  const stop = AbortSignal.any([signal, AbortSignal.timeout(config.timeoutMs)]);
  const outcome = await deps.reconciler
    .follow({ ...place, commit, digest }, () => {}, stop)
    .catch((error: unknown) => {
      if (!stop.aborted) throw error;
      return undefined;
    });
  if (!outcome) return `==> ${functionName} is not live yet; the dashboard shows when it is`;
  switch (outcome.type) {
    case 'live':
      return `==> ${functionName} is live: ${config.functionUrl(owner, place.functionName, environment)}`;
    case 'removed':
      return `==> ${owner}/${functionName} is removed`;
    case 'superseded':
      return `==> ${functionName}: a later commit has replaced this one`;
    case 'failed':
      return `==> ${functionName} failed: ${outcome.cause.message}`;
  }
}

/** What becomes of a push that a person made to the GitOps repository, a line per function, for their terminal. */
export async function* followGitOpsPush(
  config: GitOpsProgressConfig,
  deps: Deps,
  push: Push,
  signal: AbortSignal,
): AsyncIterable<string> {
  for (const { ref, before, after } of push.updates) {
    if (ref !== 'refs/heads/main') {
      yield `${ref} is stored; only main is applied`;
      continue;
    }
    const names = await changedFunctions(config, before, after);
    if (names.length === 0) yield 'no function is changed by this push';
    for (const name of names.slice(0, maxTold)) yield await tell(config, deps, name, after, signal);
    if (names.length > maxTold) yield `… and ${names.length - maxTold} more: the dashboard shows them`;
  }
}
