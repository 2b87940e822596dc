import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AuditTrail } from '../core/audit.ts';
import type { BuildService } from '../core/build-service.ts';
import type { FunctionCatalog, PendingDeploys } from '../core/catalog.ts';
import type { RefTargets } from '../core/environments.ts';
import type { EventBus } from '../core/events.ts';
import type { ManifestWriter } from '../core/manifest-writer.ts';
import type { Reconciler } from '../core/reconciler.ts';
import type { Logger } from '../runtime/logger.ts';
import type { DeliveryLog } from './deliveries/delivery-log.ts';
import type { BuildEngine } from './engines/build-engine.ts';
import type { FeedbackConfig } from './feedback/open-feedback.ts';
import type { GitHubApp } from './github/github-app.ts';
import type { PrebuiltImages } from './pipeline/prebuilt-images.ts';
import type { BuildSecrets } from './secrets/build-secrets.ts';
import type { SourceAccess } from './source/source-access.ts';
import type { TemplateCatalog } from './templates/template.ts';
import type { GitOpsRepository } from './webhooks/gitops-repository.ts';

export interface BuilderDeps {
  logger: Logger;
  manifestWriter: ManifestWriter;
  reconciler: Reconciler;
  events: EventBus;
  sourceAccess: SourceAccess;
  /** Where deliveries are kept, which whoever opened it closes; a file of its own if it isn't given. */
  deliveryLog?: DeliveryLog | undefined;
  engine: BuildEngine;
  templates: TemplateCatalog;
  /** Images that are deployed as they are; without it everything is built. */
  prebuilt?: PrebuiltImages | undefined;
  /** Which pushes go where; only default branches, to the default environment, if it isn't given. */
  refs?: RefTargets | undefined;
  functionUrl: (owner: string, functionName: string, environment?: string) => string;
  /** Of an environment: tells which version stays live when a deploy fails; without it nothing is claimed. */
  catalogOf?: ((environment?: string) => FunctionCatalog | undefined) | undefined;
  /** What builds may read; without it a function that names one fails. */
  buildSecrets?: BuildSecrets | undefined;
  /** For GitLab's API, by a project's full path; without it only public projects are found. */
  gitlabToken?: ((path: string) => Promise<string | undefined>) | undefined;
  /** Tells forges what becomes of their commits; without it nobody is told. */
  feedback?: FeedbackConfig | undefined;
  /** Where it is kept what people and forges did, and where the dashboard is; without it nothing of it is kept. */
  audit?: { trail: AuditTrail; origin: string } | undefined;
  /** Where the platform commits to: nothing of it is built, and its pushes are told. */
  gitOps?: GitOpsRepository | undefined;
  /** Asked for what it could not deliver; without it only branch heads are compared. */
  githubApp?: GitHubApp | undefined;
  now?: (() => number) | undefined;
  random?: (() => number) | undefined;
  /** Aborting it stops the work as disposing does; dispose still has to be called. */
  signal?: AbortSignal | undefined;
}

export interface Builder extends BuildService, PendingDeploys, AsyncDisposable {
  /** Handles `/webhooks/*`. */
  webhook: (req: IncomingMessage, res: ServerResponse) => void;
  /** Takes up what a former run left, and finds pushes whose webhook never came. Webhooks may arrive before. */
  start(): Promise<void>;
  /** Resolves when no push is queued or running. */
  drain(): Promise<void>;
}
