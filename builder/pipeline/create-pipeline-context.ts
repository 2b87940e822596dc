import type { BuilderDeps } from '../builder.ts';
import type { BuilderConfig } from '../config.ts';
import { chainEndOf, isPassedOver } from '../deliveries/recover-pushes.ts';
import type { BuilderStores } from '../open-stores.ts';
import { createFairSlots } from '../queue/fair-slots.ts';
import type { PipelineContext } from './pipeline-context.ts';

/** How many times the concurrent builds may have clones on the disk. */
const workspacesPerBuild = 4;

/** What only whoever puts the builder together knows. */
export interface PipelineParts
  extends Pick<PipelineContext, 'refs' | 'now' | 'stopped' | 'newerAnnouncement' | 'onHeld' | 'onStale'> {
  stores: BuilderStores;
}

export function createPipelineContext(
  config: BuilderConfig,
  deps: BuilderDeps,
  { stores, ...parts }: PipelineParts,
): PipelineContext {
  const { deliveries, store } = stores;
  const { maxConcurrentBuilds } = config;
  return {
    ...parts,
    config,
    workDir: stores.workDir,
    logger: deps.logger,
    manifestWriter: deps.manifestWriter,
    reconciler: deps.reconciler,
    engine: deps.engine,
    templates: deps.templates,
    prebuilt: deps.prebuilt,
    buildSecrets: deps.buildSecrets,
    builtImages: stores.builtImages,
    answerOf: (of) => store.answerOf(of),
    sourceAccess: deps.sourceAccess,
    catalogOf: deps.catalogOf ?? (() => undefined),
    deployRecord: (id) => store.deploy(id),
    functionUrl: deps.functionUrl,
    isLate: async ({ event, origin }) => {
      if (event.type !== 'push' || origin === 'rebuild') return false;
      const end = await chainEndOf(deliveries, event);
      return end !== undefined && end.after !== event.after;
    },
    isPassedOver: (event, head) => isPassedOver(deliveries, event, head),
    random: deps.random ?? Math.random,
    workspaces: createFairSlots({
      total: maxConcurrentBuilds * workspacesPerBuild,
      perOwner: maxConcurrentBuilds,
    }),
    builds: createFairSlots({
      total: maxConcurrentBuilds,
      // One place is always left for others, however long an owner's builds take.
      perOwner: Math.max(1, maxConcurrentBuilds - 1),
    }),
    onRemovalWaits: ({ owner, ownerId }) => deps.events.publish({ type: 'removals.changed', owner, ownerId }),
  };
}
