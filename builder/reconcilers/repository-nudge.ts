import { randomUUID } from 'node:crypto';
import type { ClusterApi } from '../../runtime/kubernetes/cluster-api.ts';
import type { Logger } from '../../runtime/logger.ts';
import { createNudge, type Nudge } from './source-nudge.ts';

export interface RepositoryNudgeOptions {
  api: ClusterApi;
  /** Where Flux's objects are. */
  namespace: string;
  /** Of the GitRepository; without one nothing is told. */
  name: string | undefined;
  logger: Logger;
}

export const requestedAt = 'reconcile.fluxcd.io/requestedAt';

/** Tells Flux to look at the branch now. */
export function createRepositoryNudge({ api, namespace, name, logger }: RepositoryNudgeOptions): Nudge {
  return createNudge({
    async send(signal) {
      if (name === undefined) return;
      const body = { metadata: { annotations: { [requestedAt]: randomUUID() } } };
      const path = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${namespace}/gitrepositories/${name}`;
      await api.request(path, { method: 'PATCH', patch: 'merge', body, signal, timeoutMs: 10_000 });
    },
    onLost: (err) => logger.warn({ err }, 'Flux was not told of a push: it will see it when it next looks'),
  });
}
