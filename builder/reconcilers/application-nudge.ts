import { defaultEnvironment } from '../../core/environments.ts';
import { type ClusterApi, ClusterError } from '../../runtime/kubernetes/cluster-api.ts';
import type { Logger } from '../../runtime/logger.ts';
import { createNudge, type Nudge } from './source-nudge.ts';

/** What sets up tenants: the Application of their projects, and the ApplicationSet that finds their folders. */
export interface ArgoSetUp {
  application: string;
  applicationSet: string;
}

/** As the GitOps repository's template calls them in an environment. */
export function argoSetUp(environment: string): ArgoSetUp {
  const suffix = environment === defaultEnvironment ? '' : `.${environment}`;
  return { application: 'towline-tenants', applicationSet: `tenants${suffix}` };
}

export interface ApplicationNudgeDeps {
  api: ClusterApi;
  /** Where Argo CD's objects are. */
  namespace: string;
  logger: Logger;
}

/** Argo CD removes them when it has looked. */
const requests = {
  applications: { 'argocd.argoproj.io/refresh': 'normal' },
  applicationsets: { 'argocd.argoproj.io/application-set-refresh': 'true' },
} as const;

/** Tells Argo CD to look at the branch now, for what is named. */
export function createApplicationNudge(
  { api, namespace, logger }: ApplicationNudgeDeps,
  { application, applicationSet }: Partial<ArgoSetUp>,
): Nudge {
  async function tell(kind: keyof typeof requests, name: string | undefined, signal: AbortSignal) {
    if (name === undefined) return;
    const path = `/apis/argoproj.io/v1alpha1/namespaces/${namespace}/${kind}/${name}`;
    const body = { metadata: { annotations: requests[kind] } };
    const options = { method: 'PATCH', patch: 'merge', body, signal, timeoutMs: 10_000 } as const;
    await api.request(path, options).catch((error: unknown) => {
      // Who has none yet is told of by what makes it.
      if (!(error instanceof ClusterError) || error.status !== 404) throw error;
    });
  }
  return createNudge({
    async send(signal) {
      await tell('applications', application, signal);
      await tell('applicationsets', applicationSet, signal);
    },
    onLost: (err) =>
      logger.warn({ err, application }, 'Argo CD was not told of a push: it will see it when it next looks'),
  });
}
