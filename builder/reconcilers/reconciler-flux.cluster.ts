import { after, before } from 'node:test';
import { type FluxCluster, startFluxCluster } from '../../test/cluster/kubernetes/flux-installation.ts';
import { type DeliveryMode, deliveryModes } from '../../test/cluster/kubernetes/tenants.ts';
import { describeReconciler } from '../../test/contracts/reconciler.contract.ts';
import { createFollowedInstallation } from './flux-fixture.ts';

let cluster: FluxCluster;
before(async () => {
  cluster = await startFluxCluster({ watcher: true });
});
after(() => cluster[Symbol.asyncDispose]());

const words: Record<DeliveryMode, string> = {
  repository: 'Flux on a GitRepository',
  generator: 'Flux on artifacts of an ArtifactGenerator',
  published: 'Flux on artifacts that the manifest-writer publishes',
};
for (const mode of deliveryModes) {
  describeReconciler(words[mode], () => createFollowedInstallation(cluster, mode));
}
