import type { FunctionCatalog } from '../../core/catalog.ts';
import type { DeployRecord, PushRecord } from '../../core/deploy.ts';
import { defaultEnvironment, type RefTargets } from '../../core/environments.ts';
import type { ManifestWriter } from '../../core/manifest-writer.ts';
import type { Reconciler } from '../../core/reconciler.ts';
import type { ImageEvent, PushEvent } from '../../core/source-event.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { BuilderConfig } from '../config.ts';
import type { Delivery } from '../deliveries/delivery-log.ts';
import type { DeployStore } from '../deploys/deploy-store.ts';
import type { PushJournal } from '../deploys/push-journal.ts';
import type { BuildEngine } from '../engines/build-engine.ts';
import type { FairSlots } from '../queue/fair-slots.ts';
import type { BuiltImages } from '../reuse/built-images.ts';
import type { BuildSecrets } from '../secrets/build-secrets.ts';
import type { SourceAccess } from '../source/source-access.ts';
import type { TemplateCatalog } from '../templates/template.ts';
import type { PrebuiltImages } from './prebuilt-images.ts';

/** What every step of every push works with. */
export interface PipelineContext {
  config: BuilderConfig;
  /** The folder for clones and build contexts. */
  workDir: string;
  logger: Logger;
  manifestWriter: ManifestWriter;
  reconciler: Reconciler;
  engine: BuildEngine;
  templates: TemplateCatalog;
  /** `undefined`: everything is built here. */
  prebuilt?: PrebuiltImages | undefined;
  /** The commit of the GitOps repository that an earlier deploy of the same source commit and function ended in. */
  answerOf: DeployStore['answerOf'];
  builtImages: BuiltImages;
  /** `undefined`: the installation keeps none. */
  buildSecrets?: BuildSecrets | undefined;
  sourceAccess: SourceAccess;
  refs: RefTargets;
  /** What is served in an environment. */
  catalogOf: (environment?: string) => FunctionCatalog | undefined;
  functionUrl: (owner: string, functionName: string, environment?: string) => string;
  /** Of any push, by its id. */
  deployRecord: (id: string) => DeployRecord | undefined;
  /** Of an announced image: the announcement that makes it pointless, if there is one. */
  newerAnnouncement: (delivery: Delivery) => Promise<ImageEvent | undefined>;
  /** Whether other pushes lead on from this one: then it came late, and its branch is asked before any work. */
  isLate: (delivery: Delivery) => Promise<boolean>;
  /** Whether all pushes from this one's commit to `head` deploy nothing, as a bot's: then this one is what is deployed. */
  isPassedOver: (event: PushEvent, head: string) => Promise<boolean>;
  random: () => number;
  now: () => number;
  /** Pushes that may have a clone on the disk. */
  workspaces: FairSlots;
  /** Functions that may be building. */
  builds: FairSlots;
  /** The service stops: work is left as it is and taken up again at the next start. */
  stopped: AbortSignal;
  /** A deploy was answered `held`: whoever carries it on later is told once its record says so. */
  onHeld: (deployId: string) => void;
  /** A removal waits for somebody's yes. */
  onRemovalWaits: (repository: { owner: string; ownerId: string }) => void;
  /** A push turned out not to be the newest: its ref points to `head`. */
  onStale: (delivery: Delivery, head: string) => void;
}

/** One accepted delivery on its way. */
export interface PushTask {
  delivery: Delivery;
  journal: PushJournal;
  /** Aborted with a `Dropped` once this push's uncommitted work is pointless or no longer wanted. */
  superseded: AbortSignal;
  supersede: (by: Dropped) => void;
}

/** Why a push's work is dropped; `message` completes "superseded by …". */
export class Superseded extends Error {
  override readonly name = 'Superseded';
}

/** Where a push's functions are deployed; of a deletion the default one, which is then not the only one. */
export function environmentOf({ delivery }: PushTask, { refs }: PipelineContext): string {
  const { event } = delivery;
  const target =
    event.type === 'push'
      ? refs.forRef(event.ref, event.repository.defaultBranch, event.repository)
      : undefined;
  return target === undefined || target.way === 'none' ? defaultEnvironment : target.environment;
}

/** Somebody stopped the push; `message` completes "stopped by …". */
export class Cancelled extends Error {
  override readonly name = 'Cancelled';
}

export type Dropped = Superseded | Cancelled;

const supersededBy = 'superseded by ';

/** In words, for a log or a note. */
export function whyDropped(reason: Dropped): string {
  return `${reason instanceof Cancelled ? 'stopped by ' : supersededBy}${reason.message}`;
}

/** Whether nothing of the push was done because another one was taken for the newer. */
export function wasSuperseded(push: PushRecord | undefined): boolean {
  if (push?.state !== 'done') return false;
  if (push.deploys.length === 0) return push.note?.startsWith(supersededBy) ?? false;
  return push.deploys.every(({ state }) => state === 'superseded');
}

/** Ends builds and waits: the service stops, or the push is superseded. */
export function interruption(task: PushTask, context: PipelineContext): AbortSignal {
  return AbortSignal.any([context.stopped, task.superseded]);
}
