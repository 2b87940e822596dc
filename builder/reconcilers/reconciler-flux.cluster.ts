import { after, before } from 'node:test';
import { digestOf } from '../../core/names.ts';
import { manifestOf } from '../../local/apply/gitops-fixture.ts';
import { createLogger } from '../../runtime/logger.ts';
import {
  createFluxInstallation,
  type FluxCluster,
  startFluxCluster,
} from '../../test/cluster/kubernetes/flux-installation.ts';
import { type DeliveryMode, deliveryModes } from '../../test/cluster/kubernetes/tenants.ts';
import {
  type Asked,
  describeReconciler,
  type ReconcilerSubject,
} from '../../test/contracts/reconciler.contract.ts';
import { createFluxReconciler } from './reconciler-flux.ts';

let cluster: FluxCluster;
let installations = 0;
before(async () => {
  cluster = await startFluxCluster({ watcher: true });
});
after(() => cluster[Symbol.asyncDispose]());

const logger = createLogger({ name: 'reconciler', level: 'silent' });

function functionText(owner: string, functionName: string, tag: string): string {
  const digest = `sha256:${Buffer.from(tag).toString('hex').padEnd(64, '0')}`;
  return manifestOf({
    ...{ owner, ownerId: `id-${owner}`, functionName, repo: 'greetings', branch: 'main' },
    ...{ image: `registry.test/${owner}/${functionName}:${tag}@${digest}`, sourceCommit: '1'.repeat(40) },
    environment: {},
  } as unknown as Parameters<typeof manifestOf>[0]);
}

function textOf(owner: string, functionName: string, asked: Asked): string | null {
  if ('removed' in asked) return null;
  if ('unreadable' in asked) return 'kind: [';
  return functionText(owner, functionName, 'answer' in asked ? asked.answer : 'broken');
}

const words: Record<DeliveryMode, string> = {
  repository: 'Flux on a GitRepository',
  generator: 'Flux on artifacts of an ArtifactGenerator',
  published: 'Flux on artifacts that the manifest-writer publishes',
};
for (const mode of deliveryModes) describeReconciler(words[mode], () => makeSubject(mode));

async function makeSubject(mode: DeliveryMode): Promise<ReconcilerSubject> {
  installations += 1;
  const installation = await createFluxInstallation(cluster, { name: `${mode}-${installations}`, mode });
  for (const owner of ['alice', 'bob']) await installation.addTenant(owner);
  // From here on Flux looks at the branch when it is told to, and not because everything is new.
  await installation.untilFetched();
  const { catalog, commits, repository, kustomizationOf, publisher } = installation;
  const flux = createFluxReconciler(
    {
      ...{ namespace: cluster.flux.namespace, kustomizationOf, troubleMs: 1_000 },
      repository: publisher ? undefined : installation.name,
    },
    { api: cluster.api, catalog, commits, logger },
  );
  await flux.synced;
  return {
    reconciler: {
      follow: flux.follow,
      nudge() {
        flux.nudge();
        void publisher?.look();
      },
    },
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
    async [Symbol.asyncDispose]() {
      await flux[Symbol.asyncDispose]();
      await installation[Symbol.asyncDispose]();
    },
  };
}
