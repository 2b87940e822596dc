import { z } from 'zod';
import { auditSettings } from '../runtime/audit/audit-settings.ts';
import { integerSetting, type Settings } from '../runtime/config.ts';
import { installationFileSetting } from '../runtime/installation/installation.ts';
import { kubeconfigSetting } from '../runtime/kubernetes/cluster-settings.ts';
import { addressSettings } from '../runtime/program/address-settings.ts';
import { gitOpsEngineSettings } from '../runtime/program/gitops-settings.ts';
import { dataSetting, programSettings } from '../runtime/program/program-settings.ts';
import { fileSetting } from '../runtime/program/secret-file.ts';
import { serviceTokenSetting } from '../runtime/program/service-settings.ts';
import { registrySettings } from '../runtime/registry/registry-settings.ts';

const line = z.string().min(1).max(200);

/** Where the GitOps repository is, and who the writer is there. */
export const gitOpsSettings = {
  gitOpsUrl: {
    env: 'TOWLINE_GITOPS_URL',
    schema: z
      .string('must be set, as https://git.example.org/acme/functions.git')
      .min(1, 'must be set')
      .max(2000),
    defaultText: 'has to be set',
    description: 'The GitOps repository: `https://…` or `ssh://…`, without credentials.',
  },
  gitOpsBranch: {
    env: 'TOWLINE_GITOPS_BRANCH',
    schema: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$/, 'must be a branch')
      .default('main'),
    defaultText: '`main`',
    description: 'The branch that is applied.',
  },
  gitOpsCredentials: {
    env: 'TOWLINE_GITOPS_CREDENTIALS',
    schema: fileSetting().optional(),
    defaultText: 'none',
    description:
      'Folder with files named as in Flux’s Git secrets: `username` and `password` for https, or `identity` and `known_hosts` for ssh. In place of the files below.',
  },
  gitOpsUsername: {
    env: 'TOWLINE_GITOPS_USERNAME',
    schema: line.default('git'),
    defaultText: '`git`',
    description: 'The user that goes with `TOWLINE_GITOPS_TOKEN_FILE`.',
  },
  gitOpsTokenFile: {
    env: 'TOWLINE_GITOPS_TOKEN_FILE',
    schema: fileSetting().optional(),
    defaultText: 'none',
    description: 'File with a token or password for an https remote; read again at each fetch and push.',
  },
  gitOpsAppId: {
    env: 'TOWLINE_GITOPS_APP_ID',
    schema: line.optional(),
    defaultText: 'none',
    description: 'The GitHub App that may push, in place of a token; with the two settings below.',
  },
  gitOpsAppInstallation: {
    env: 'TOWLINE_GITOPS_APP_INSTALLATION',
    schema: line.optional(),
    defaultText: 'none',
    description: 'The id of its installation on the repository’s owner.',
  },
  gitOpsAppKeyFile: {
    env: 'TOWLINE_GITOPS_APP_KEY_FILE',
    schema: fileSetting().optional(),
    defaultText: 'none',
    description: 'PEM file of its private key; read at the start.',
  },
  gitOpsAppApi: {
    env: 'TOWLINE_GITOPS_APP_API',
    schema: z.url({ protocol: /^https?$/, error: 'must be a URL' }).default('https://api.github.com'),
    defaultText: '`https://api.github.com`',
    description: 'Where it asks for its tokens; of a GitHub Enterprise server `https://<host>/api/v3`.',
  },
  gitOpsSshKeyFile: {
    env: 'TOWLINE_GITOPS_SSH_KEY_FILE',
    schema: fileSetting().optional(),
    defaultText: 'none',
    description: 'Private key for an ssh remote, without a passphrase; with the list of known hosts.',
  },
  gitOpsKnownHostsFile: {
    env: 'TOWLINE_GITOPS_KNOWN_HOSTS_FILE',
    schema: fileSetting().optional(),
    defaultText: 'none',
    description: 'The known hosts of an ssh remote; no other host is spoken to.',
  },
  signingKeyFile: {
    env: 'TOWLINE_SIGNING_KEY_FILE',
    schema: fileSetting().optional(),
    defaultText: 'none: commits are not signed',
    description: 'SSH private key without a passphrase that signs every commit; read at the start.',
  },
  committerName: {
    env: 'TOWLINE_COMMITTER_NAME',
    schema: line.default('Towline'),
    defaultText: '`Towline`',
    description: 'Who commits; the author is who pushed.',
  },
  committerEmail: {
    env: 'TOWLINE_COMMITTER_EMAIL',
    schema: line.default('towline@localhost'),
    defaultText: '`towline@localhost`',
    description:
      'Its address. Commits are told from those of people by it: a new one is for a new repository.',
  },
  maxPushesPerMinute: {
    env: 'TOWLINE_GITOPS_PUSHES_PER_MINUTE',
    schema: integerSetting({ min: 1, max: 10_000, default: 0 }).transform((value) =>
      value === 0 ? undefined : value,
    ),
    defaultText: '6 on github.com, any number elsewhere',
    description: 'Pushes that the remote takes; more deploys go into one.',
  },
} satisfies Settings;

/** How tenants and their folders get to Flux. */
export const deliverySettings = {
  publishPort: {
    env: 'TOWLINE_PUBLISH_PORT',
    schema: integerSetting({ min: 0, max: 65_535, default: 8090 }),
    defaultText: '8090',
    description: 'Port on which Flux fetches the tenants’ archives.',
  },
  publishOrigin: {
    env: 'TOWLINE_PUBLISH_ORIGIN',
    schema: z
      .url({ protocol: /^https?$/, error: 'must be an origin' })
      .default('http://manifest-writer.towline.svc:8090')
      .transform((text) => new URL(text).origin),
    defaultText: '`http://manifest-writer.towline.svc:8090`',
    description: 'Where Flux reaches that port.',
  },
  lookEveryMs: {
    env: 'TOWLINE_GITOPS_LOOK_MS',
    schema: integerSetting({ min: 1000, max: 3_600_000, default: 15_000 }),
    defaultText: '15000',
    description:
      'How often the branch is looked at for commits that people pushed, to hand them to Flux, in milliseconds; a webhook of the repository’s forge tells at once: install.md.',
  },
  tenants: {
    env: 'TOWLINE_TENANTS',
    schema: z.enum(['automatic', 'manual', 'none'], 'must be automatic, manual or none').default('automatic'),
    defaultText: '`automatic`',
    description:
      'Who sets up what applies a new tenant’s folder: `automatic`, this program before the first deploy; `manual`, an operator; `none`, nothing has to be.',
  },
} satisfies Settings;

const { registry, registryConfigDir } = registrySettings;

/** Every setting of the program. */
export const manifestWriterSettings = {
  ...programSettings,
  ...dataSetting,
  ...serviceTokenSetting,
  ...installationFileSetting,
  ...auditSettings,
  publicOrigin: {
    ...addressSettings.publicOrigin,
    schema: addressSettings.publicOrigin.schema.optional(),
    defaultText: 'none: audit events have no links',
    description: 'Where people reach the platform, for the links of audit events.',
  },
  ...kubeconfigSetting,
  ...gitOpsSettings,
  ...gitOpsEngineSettings,
  ...deliverySettings,
  registry: {
    ...registry,
    defaultText: 'none: rollbacks do not look whether there still is an image',
    description:
      'The registry that the builder pushes to: a rollback is refused if it has the image no more. `http://…` for one without TLS.',
  },
  registryConfigDir: {
    ...registryConfigDir,
    description: 'Folder with Docker’s `config.json`, whose entry for that registry may pull.',
  },
} satisfies Settings;
