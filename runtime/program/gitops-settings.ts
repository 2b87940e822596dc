import { z } from 'zod';
import type { ConfigOf, Settings } from '../config.ts';

/** How what is committed gets into the cluster: as the GitOps repository was made for by `init-gitops`. */
export const gitOpsEngineSettings = {
  gitOpsEngine: {
    env: 'TOWLINE_GITOPS_ENGINE',
    schema: z.enum(['flux', 'argocd'], 'must be flux or argocd').default('flux'),
    defaultText: '`flux`',
    description: 'What applies the GitOps repository: `flux` or `argocd`.',
  },
  delivery: {
    env: 'TOWLINE_DELIVERY',
    schema: z
      .enum(['published', 'generator', 'repository'], 'must be published, generator or repository')
      .default('published'),
    defaultText: '`published`',
    description:
      'How Flux gets a tenant’s folder: `published` by the manifest-writer, `generator` by source-watcher, `repository` with the whole repository. Argo CD always reads the repository.',
  },
  gitOpsNamespace: {
    env: 'TOWLINE_GITOPS_NAMESPACE',
    schema: z
      .string()
      .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a namespace')
      .optional(),
    defaultText: '`flux-system`, or `argocd`',
    description: 'Where the engine’s objects are.',
  },
} satisfies Settings;

export type GitOpsEngineConfig = ConfigOf<typeof gitOpsEngineSettings>;

export function engineNamespace({ gitOpsEngine, gitOpsNamespace }: GitOpsEngineConfig): string {
  return gitOpsNamespace ?? (gitOpsEngine === 'flux' ? 'flux-system' : 'argocd');
}

/** Whether the manifest-writer hands tenants' folders to Flux. */
export function isPublished({ gitOpsEngine, delivery }: GitOpsEngineConfig): boolean {
  return gitOpsEngine === 'flux' && delivery === 'published';
}
