import {
  KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  makeInformer,
} from '@kubernetes/client-node';
import { createClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import { clock, given, tell, tellSynced } from './follower.ts';

// The peer: the same three kinds in the cluster client's own caches, and nothing else.
const { functions, kubeconfig } = given();
const started = performance.now();
const config = new KubeConfig();
config.loadFromFile(kubeconfig);
const api = createClusterApi(config);
const kinds = [
  ['/apis/openfaas.com/v1/functions', 'towline.dev/function'],
  ['/apis/apps/v1/deployments', 'faas_function'],
  ['/api/v1/pods', 'faas_function'],
] as const;
const informers = kinds.map(([path, labelSelector]) => {
  const query = { labelSelector };
  const list = () => api.request<KubernetesListObject<KubernetesObject>>(path, { query, timeoutMs: 120_000 });
  const informer = makeInformer(config, path, list, labelSelector);
  informer.on('error', (error: unknown) => process.stderr.write(`# ${path}: ${String(error)}\n`));
  return informer;
});
await Promise.all(informers.map((informer) => informer.start()));
for (const informer of informers) {
  if (informer.list().length !== functions) throw new Error('an informer has not listed all');
}
await tellSynced(started);
informers[0]?.on('update', (object) => {
  const { image } = (object as KubernetesObject & { spec: { image: string } }).spec;
  tell({ type: 'changed', image, at: clock() });
});
