import { z } from 'zod';
import { auditSettings } from '../runtime/audit/audit-settings.ts';
import type { ConfigOf, Settings } from '../runtime/config.ts';
import { installationFileSetting } from '../runtime/installation/installation.ts';
import { clusterSettings } from '../runtime/kubernetes/cluster-settings.ts';
import { addressSettings } from '../runtime/program/address-settings.ts';
import { gitOpsEngineSettings } from '../runtime/program/gitops-settings.ts';
import { dataSetting, programSettings, publicPortSetting } from '../runtime/program/program-settings.ts';
import { fileSetting } from '../runtime/program/secret-file.ts';
import {
  manifestWriterUrlSetting,
  routersSettings,
  serviceTokenSetting,
} from '../runtime/program/service-settings.ts';
import { builderSettings, sourceSettings, watchSettings } from './config.ts';
import { deliverySettings } from './deliveries/postgres/delivery-log-by-settings.ts';
import { feedbackSettings } from './feedback/feedback-settings.ts';
import { forgeSettings } from './forge-settings.ts';

const { registry, ...others } = builderSettings;

/** Every setting of the program. Builds are BuildKit's: nothing of a repository runs in the builder itself. */
export const builderProgramSettings = {
  ...publicPortSetting,
  ...programSettings,
  ...dataSetting,
  ...serviceTokenSetting,
  ...manifestWriterUrlSetting,
  ...routersSettings,
  ...installationFileSetting,
  ...addressSettings,
  ...clusterSettings,
  ...gitOpsEngineSettings,
  gitOpsUrl: {
    env: 'TOWLINE_GITOPS_URL',
    schema: z.string().min(1).max(2000).optional(),
    defaultText: 'none: pushes to it are seen when it is next looked at',
    description:
      'The GitOps repository. Nothing of it is built; a webhook of it has the manifest-writer and Flux look at once.',
  },
  gitOpsRepositoryObject: {
    env: 'TOWLINE_GITOPS_OBJECT',
    schema: z
      .string()
      .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'must be the name of an object')
      .default('gitops'),
    defaultText: '`gitops`',
    description: 'Flux’s GitRepository, which is asked to look after a push unless tenants are published.',
  },
  ...forgeSettings,
  ...feedbackSettings,
  ...auditSettings,
  ...sourceSettings,
  ...watchSettings,
  ...deliverySettings,
  buildSecretsDir: {
    env: 'TOWLINE_BUILD_SECRETS',
    schema: fileSetting().optional(),
    defaultText: '`build-secrets` in `TOWLINE_DATA`',
    description: 'Folder of build secrets, `<owner id>/<name>`: build-secrets.md.',
  },
  registriesDir: {
    env: 'TOWLINE_REGISTRIES_DIR',
    schema: fileSetting().optional(),
    defaultText: '`registries` in `TOWLINE_DATA`',
    description: 'Folder that says which registries owners may use, with credentials for them: own-ci.md.',
  },
  registry: { ...registry, defaultText: 'has to be set' },
  ...others,
} satisfies Settings;

export type BuilderProgramConfig = ConfigOf<typeof builderProgramSettings>;
