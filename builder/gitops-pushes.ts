import type { GitOpsBranch } from '../core/reconciler.ts';
import type { ClusterApi } from '../runtime/kubernetes/cluster-api.ts';
import type { Logger } from '../runtime/logger.ts';
import { engineNamespace } from '../runtime/program/gitops-settings.ts';
import type { BuilderProgramConfig } from './program-config.ts';
import { createRepositoryNudge } from './reconcilers/repository-nudge.ts';
import { createNudge } from './reconcilers/source-nudge.ts';
import type { GitOpsRepository } from './webhooks/gitops-repository.ts';

export interface GitOpsPushesDeps {
  api: ClusterApi;
  branch: GitOpsBranch;
  logger: Logger;
}

type Config = Pick<
  BuilderProgramConfig,
  'gitOpsUrl' | 'gitOpsEngine' | 'delivery' | 'gitOpsNamespace' | 'gitOpsRepositoryObject'
>;

/**
 * Hands what a webhook tells of the GitOps repository to who looks at it: the manifest-writer, and Flux for what people
 * pushed. Of the writer's own pushes Flux is told where it has to be.
 */
export function openGitOpsPushes(
  config: Config,
  { api, branch, logger }: GitOpsPushesDeps,
): (GitOpsRepository & AsyncDisposable) | undefined {
  const { gitOpsUrl: url, gitOpsEngine, gitOpsRepositoryObject } = config;
  if (url === undefined) return undefined;
  const name = gitOpsEngine === 'flux' ? gitOpsRepositoryObject : undefined;
  const flux = createRepositoryNudge({ api, namespace: engineNamespace(config), name, logger });
  let newest: string | undefined;
  const look = createNudge({
    async send(signal) {
      if (await branch.look(newest, signal)) flux();
    },
    onLost: (err) =>
      logger.warn({ err }, 'the manifest-writer was not told of a push: it will see it itself'),
  });
  return {
    url,
    moved(commit) {
      newest = commit;
      look();
    },
    async [Symbol.asyncDispose]() {
      await look[Symbol.asyncDispose]();
      await flux[Symbol.asyncDispose]();
    },
  };
}
