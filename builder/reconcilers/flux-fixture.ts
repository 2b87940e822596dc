import { digestOf } from '../../core/names.ts';
import type { FollowOutcome, FollowTarget } from '../../core/reconciler.ts';
import { manifestOf } from '../../local/apply/gitops-fixture.ts';
import { createLogger } from '../../runtime/logger.ts';
import {
  createFluxInstallation,
  type FluxCluster,
  type FluxInstallation,
} from '../../test/cluster/kubernetes/flux-installation.ts';
import type { DeliveryMode } from '../../test/cluster/kubernetes/tenants.ts';
import type { Asked, ReconcilerSubject } from '../../test/contracts/reconciler.contract.ts';
import { createFluxReconciler } from './reconciler-flux.ts';

const logger = createLogger({ name: 'reconciler', level: 'silent' });
let installations = 0;

/** For tests: an installation on real Flux whose commits are followed. */
export interface FollowedInstallation extends ReconcilerSubject {
  installation: FluxInstallation;
  /** Commits files as a person does. */
  edit(files: Record<string, string | null>): Promise<string>;
  /** Nudges and follows. */
  follow(target: FollowTarget): Promise<FollowOutcome>;
}

export function functionText(owner: string, functionName: string, tag: string): string {
  const digest = `sha256:${Buffer.from(tag).toString('hex').padEnd(64, '0')}`;
  return manifestOf({
    ...{ owner, ownerId: `id-${owner}`, functionName, repo: 'greetings', branch: 'main' },
    ...{ image: `registry.test/${owner}/${functionName}:${tag}@${digest}`, sourceCommit: '1'.repeat(40) },
    environment: {},
  } as unknown as Parameters<typeof manifestOf>[0]);
}

/** The manifest that asks for it. */
export function textOf(owner: string, functionName: string, asked: Asked): string | null {
  if ('removed' in asked) return null;
  if ('unreadable' in asked) return 'kind: [';
  return functionText(owner, functionName, 'answer' in asked ? asked.answer : 'broken');
}

export async function createFollowedInstallation(
  cluster: FluxCluster,
  mode: DeliveryMode,
  owners: readonly string[] = ['alice', 'bob'],
): Promise<FollowedInstallation> {
  await using stack = new AsyncDisposableStack();
  installations += 1;
  const installation = stack.use(
    await createFluxInstallation(cluster, { name: `${mode}-${installations}`, mode }),
  );
  for (const owner of owners) await installation.addTenant(owner);
  // From here on Flux looks at the branch when it is told to, and not because everything is new.
  await installation.untilFetched();
  const { catalog, commits, repository, kustomizationOf, publisher } = installation;
  const flux = stack.use(
    createFluxReconciler(
      {
        ...{ namespace: cluster.flux.namespace, kustomizationOf, troubleMs: 1_000 },
        repository: publisher ? undefined : installation.name,
      },
      { api: cluster.api, catalog, commits, logger },
    ),
  );
  await flux.synced;

  const reconciler = {
    follow: flux.follow,
    nudge() {
      flux.nudge();
      publisher?.look().catch(() => {});
    },
  };
  const resources = stack.move();
  return {
    installation,
    reconciler,
    edit: (files) => repository.commit(files),
    async commit(owner, functionName, asked) {
      const text = textOf(owner, functionName, asked);
      const commit = await repository.commit({ [`tenants/${owner}/${functionName}.yaml`]: text });
      const image = /image: (\S+)/.exec(text ?? '')?.[1] ?? '';
      const digest = text === null ? null : (digestOf(image) ?? `sha256:${'0'.repeat(64)}`);
      return { owner, functionName, commit, digest };
    },
    async served(owner, functionName) {
      const origin = catalog.lookup(owner, functionName)?.targets[0]?.origin;
      return origin === undefined ? undefined : (await fetch(origin)).text();
    },
    follow(target) {
      reconciler.nudge();
      return reconciler.follow(target, () => undefined, AbortSignal.timeout(60_000));
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
