import { digestOf } from '../../core/names.ts';
import type { FollowOutcome, FollowTarget } from '../../core/reconciler.ts';
import { createLogger } from '../../runtime/logger.ts';
import type { ArgoInstallation } from '../../test/cluster/kubernetes/argo-installation.ts';
import type { Asked, ReconcilerSubject } from '../../test/contracts/reconciler.contract.ts';
import { argoSetUp } from './application-nudge.ts';
import { functionText, textOf } from './flux-fixture.ts';
import { createArgoReconciler } from './reconciler-argocd.ts';

const logger = createLogger({ name: 'reconciler', level: 'silent' });

/** For tests: an installation on real Argo CD whose commits are followed with the builder's own rights. */
export interface FollowedArgo extends ReconcilerSubject {
  /** Commits files as a person does. */
  edit(files: Record<string, string | null>): Promise<string>;
  /** Nudges and follows. */
  follow(target: FollowTarget, onWaiting?: (why: string | null) => void): Promise<FollowOutcome>;
}

/** `tenantOf` lets tests that share an installation have tenants of their own. */
export async function followArgo(
  installation: ArgoInstallation,
  tenantOf: (owner: string) => string = (owner) => owner,
): Promise<FollowedArgo> {
  const { catalog, commits, repository, actingAs } = installation;
  const api = await actingAs('builder');
  const reconciler = createArgoReconciler(
    {
      ...{ namespace: 'argocd', troubleMs: 1_000, setUp: argoSetUp('default') },
      applicationOf: (owner) => `tenant-${owner}`,
    },
    { api, catalog, commits, logger },
  );
  await reconciler.synced;
  const edit = (files: Record<string, string | null>) => repository.commit(files);
  return {
    reconciler,
    edit,
    async commit(person: string, functionName: string, asked: Asked) {
      const owner = tenantOf(person);
      // What has no kind, no version and no name is no manifest to Argo CD: it would be as if the file weren't there.
      const broken = `${functionText(owner, functionName, 'x')}status: [`;
      const text = 'unreadable' in asked ? broken : textOf(owner, functionName, asked);
      const commit = await edit({ [`tenants/${owner}/${functionName}.yaml`]: text });
      const image = /image: (\S+)/.exec(text ?? '')?.[1] ?? '';
      const digest = text === null ? null : (digestOf(image) ?? `sha256:${'0'.repeat(64)}`);
      return { owner, functionName, commit, digest };
    },
    async served(person, functionName) {
      const origin = catalog.lookup(tenantOf(person), functionName)?.targets[0]?.origin;
      return origin === undefined ? undefined : (await fetch(origin)).text();
    },
    follow: (target, onWaiting) =>
      reconciler.follow(target, () => undefined, AbortSignal.timeout(120_000), onWaiting),
    [Symbol.asyncDispose]: () => reconciler[Symbol.asyncDispose](),
  };
}
