import { join } from 'node:path';
import { auditWebhookOf } from '../runtime/audit/audit-settings.ts';
import { openAuditTrail } from '../runtime/audit/audit-trail.ts';
import type { ConfigOf } from '../runtime/config.ts';
import { createEventBus } from '../runtime/event-bus.ts';
import { connectCluster } from '../runtime/kubernetes/cluster-settings.ts';
import { makeFolder } from '../runtime/make-folder.ts';
import { engineNamespace, isPublished } from '../runtime/program/gitops-settings.ts';
import { readyOnce } from '../runtime/program/health.ts';
import type { OpenProgram, ProgramContext } from '../runtime/program/program.ts';
import { readSecretFile } from '../runtime/program/secret-file.ts';
import { mountedServiceTokens } from '../runtime/services/service-access.ts';
import type { manifestWriterSettings } from './config.ts';
import { createManifestWriter, type ManifestWriterConfig } from './create-manifest-writer.ts';
import { defaultNamespace } from './environments/environments.ts';
import { createManifestWriterCalls } from './http/manifest-writer-calls.ts';
import { readWriterRules } from './installation-rules.ts';
import { openRegistryImages } from './planning/registry-images.ts';
import { remoteAccessOf } from './remote-settings.ts';

export type ManifestWriterProgramConfig = ConfigOf<typeof manifestWriterSettings>;

/** Every file that the settings name is read. Throws `config_invalid`. */
export function writerConfig(config: ManifestWriterProgramConfig, path: string): ManifestWriterConfig {
  const { dataDir, signingKeyFile, tenants } = config;
  return {
    ...readWriterRules(config.configFile),
    remoteUrl: config.gitOpsUrl,
    branch: config.gitOpsBranch,
    clonePath: join(dataDir, 'writer.git'),
    committer: { name: config.committerName, email: config.committerEmail },
    namespace: defaultNamespace,
    path,
    access: remoteAccessOf(config),
    signingKey: signingKeyFile && readSecretFile(signingKeyFile, 'TOWLINE_SIGNING_KEY_FILE'),
    maxPushesPerMinute: config.maxPushesPerMinute,
    provisioning: tenants === 'none' ? undefined : { tenants },
    publishing: isPublished(config) ? publishingConfig(config) : undefined,
  };
}

function publishingConfig(config: ManifestWriterProgramConfig): ManifestWriterConfig['publishing'] {
  return {
    namespace: engineNamespace(config),
    branch: config.gitOpsBranch,
    dir: join(config.dataDir, 'published'),
    listen: { host: config.host, port: config.publishPort },
    origin: config.publishOrigin,
    lookEveryMs: config.lookEveryMs,
  };
}

/** The manifest-writer with its calls. Ready once it has read the repository, or its own copy of it. */
export async function openManifestWriter(
  config: ManifestWriterProgramConfig,
  { logger, signal, path }: ProgramContext,
): Promise<OpenProgram> {
  await using stack = new AsyncDisposableStack();
  const tokens = mountedServiceTokens(config.serviceTokenFile, logger);
  const settings = writerConfig(config, path);
  makeFolder(config.dataDir);
  const audit = { path: join(config.dataDir, 'audit.db'), webhook: auditWebhookOf(config) };
  const trail = stack.use(openAuditTrail(audit, { logger }));
  const events = createEventBus();
  const { registry, registryConfigDir } = config;
  const images = registry && stack.use(openRegistryImages(registry, registryConfigDir));
  const writer = stack.use(
    await createManifestWriter(settings, {
      logger,
      audit: { trail, origin: config.publicOrigin },
      cluster: settings.publishing && (await connectCluster(config.kubeconfig)),
      imageExists: images && ((image) => images.has(image)),
      onHoldEnded: ({ spec, provenance, buildId }) =>
        events.publish({
          type: 'hold.ended',
          ownerId: provenance.ownerId,
          owner: spec.owner,
          functionName: spec.functionName,
          buildId,
        }),
    }),
  );
  const resources = stack.move();
  return {
    whyNotReady: readyOnce(() => writer.current('platform'), 'the GitOps repository'),
    internal: createManifestWriterCalls(writer, { events, tokens, logger, signal }),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
