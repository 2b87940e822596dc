import { z } from 'zod';
import { booleanSetting, integerSetting, type Settings } from '../runtime/config.ts';
import { parseRegistryPattern, publicRegistries } from '../runtime/registry/registry-pattern.ts';
import { buildkitSettings } from './engines/buildkit-settings.ts';
import { type LogBucket, parseLogBucket } from './logs/log-bucket.ts';
import { parseRepositoryUrl } from './source/repository-url.ts';
import { isPattern, templateLocation } from './templates/template-location.ts';
import type { ForgesConfig } from './webhooks/forge-intake.ts';

const minute = 60_000;

const commaList = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);

/** What an operator may set; the composition root adds the folders and the secrets. */
export const builderSettings = {
  buildTimeoutMs: {
    env: 'TOWLINE_BUILD_TIMEOUT_MS',
    schema: integerSetting({ min: 1000, max: 24 * 60 * minute, default: 15 * minute }),
    description: 'The longest that one function may build, in milliseconds.',
    defaultText: '900000',
  },
  maxConcurrentBuilds: {
    env: 'TOWLINE_MAX_CONCURRENT_BUILDS',
    schema: integerSetting({ min: 1, max: 256, default: 4 }),
    description: 'Functions that are built at the same time, shared fairly between owners.',
    defaultText: '4',
  },
  maxLogBytes: {
    env: 'TOWLINE_MAX_LOG_BYTES',
    schema: integerSetting({ min: 10_000, max: 1_000_000_000, default: 10_000_000 }),
    description: 'Build output kept per push, in bytes.',
    defaultText: '10000000',
  },
  maxAllLogBytes: {
    env: 'TOWLINE_MAX_ALL_LOG_BYTES',
    schema: integerSetting({ min: 1_000_000, max: 1_000_000_000_000, default: 5_000_000_000 }),
    description: 'Bytes of all build logs together; beyond them the oldest are removed.',
    defaultText: '5000000000',
  },
  logMaxAgeMs: {
    env: 'TOWLINE_LOG_MAX_AGE_MS',
    schema: integerSetting({
      min: 60 * minute,
      max: 3650 * 24 * 60 * minute,
      default: 30 * 24 * 60 * minute,
    }),
    description: 'How long a build log is kept, in milliseconds.',
    defaultText: '2592000000 (30 days)',
  },
  logBucket: {
    env: 'TOWLINE_LOG_BUCKET',
    schema: z
      .string()
      .refine(
        (text) => parseLogBucket(text) !== undefined,
        'must be as s3://bucket/prefix?endpoint=…&region=…',
      )
      .transform(parseLogBucket)
      .optional(),
    description:
      'An S3-compatible bucket for finished build logs, as `s3://bucket/prefix?endpoint=https://…&region=…`; credentials as the AWS client finds them (`AWS_ACCESS_KEY_ID`, a web identity, the instance). Without it they stay in the data folder.',
    defaultText: 'none',
  },
  maxContextBytes: {
    env: 'TOWLINE_MAX_CONTEXT_BYTES',
    schema: integerSetting({ min: 10_000, max: 10_000_000_000, default: 200_000_000 }),
    description:
      "The largest build context of one function, and half of a repository's largest size, in bytes.",
    defaultText: '200000000',
  },
  readyFollowTimeoutMs: {
    env: 'TOWLINE_READY_TIMEOUT_MS',
    schema: integerSetting({ min: 1000, max: 60 * minute, default: 5 * minute }),
    description: 'How long a committed deploy may take to become live, in milliseconds.',
    defaultText: '300000',
  },
  registries: {
    env: 'TOWLINE_REGISTRIES',
    schema: commaList
      .pipe(
        z.array(z.string().refine((text) => parseRegistryPattern(text) !== undefined, 'must be a registry')),
      )
      .default(publicRegistries),
    description:
      'Registries that images built elsewhere may come from, comma separated: `ghcr.io`, or `ghcr.io/acme` for what is below; `http://` before one speaks to it without TLS. An owner may have a list of its own: docs/own-ci.md.',
    defaultText: 'well-known public ones',
  },
  templateSources: {
    env: 'TOWLINE_TEMPLATE_SOURCES',
    schema: commaList
      .pipe(z.array(z.string().refine(isPattern, 'must be a URL without credentials, or one ending in /*')))
      .default(['https://github.com/openfaas/*']),
    description:
      "Repositories that a stack file's configuration.templates may name, comma separated: URLs (https, http, ssh), or `https://host/team/*` for all below. A file URL has to be written out. Empty: none.",
    defaultText: '`https://github.com/openfaas/*`',
  },
  templateRepositories: {
    env: 'TOWLINE_TEMPLATE_REPOSITORIES',
    schema: commaList
      .transform((parts) => parts.map((part) => templateLocation(part) ?? part))
      .pipe(
        z.array(
          z.object(
            { url: z.string(), ref: z.string().optional() },
            'must be URLs as https://host/repository#ref',
          ),
        ),
      )
      .default([]),
    description:
      'Repositories of templates for every stack file, comma separated, as `https://host/repository#ref`: asked in order for languages that are not bundled.',
    defaultText: 'none',
  },
  localTemplates: {
    env: 'TOWLINE_LOCAL_TEMPLATES',
    schema: booleanSetting(true),
    description: "Whether a repository's own `template` folder is used, before all other templates.",
    defaultText: '`true`',
  },
  ...buildkitSettings,
} satisfies Settings;

const baseUrl = (text: string) => parseRepositoryUrl(text) !== undefined;

/** Where sources are, for a builder that does not host them itself. */
export const sourceSettings = {
  sourceHosts: {
    env: 'TOWLINE_SOURCE_HOSTS',
    schema: commaList
      .pipe(z.array(z.string().refine(baseUrl, 'must be http, https or ssh URLs without credentials')))
      .default([]),
    description:
      'Hosts of plain Git repositories that events may name, comma separated: `https://git.example.org`, `https://git.example.org/team` for what is below, `ssh://git@git.example.org:2222`. Nothing is fetched from another host, whatever an event says.',
    defaultText: 'none',
  },
  sourceCredentials: {
    env: 'TOWLINE_SOURCE_CREDENTIALS',
    schema: z.string().startsWith('/', 'must be an absolute path').optional(),
    description:
      "A folder with one folder for each of these hosts that wants credentials, named `git.example.org` or `git.example.org_2222`, holding files named as in Flux's Git secrets: `username` and `password`, or `bearerToken`; `ca.crt`; `identity` and `known_hosts` for ssh. They are read at each fetch and go over https or ssh only.",
    defaultText: 'none',
  },
} satisfies Settings;

/** How the builder keeps in step with forges. */
export const watchSettings = {
  compareMs: {
    env: 'TOWLINE_COMPARE_MS',
    schema: integerSetting({ min: 10_000, max: 24 * 60 * minute, default: 10 * minute }),
    description:
      'How often branch heads are compared with what was pushed, and GitHub is asked for what it could not deliver, in milliseconds.',
    defaultText: '600000',
  },
  uninstallGraceMs: {
    env: 'TOWLINE_UNINSTALL_GRACE_MS',
    schema: integerSetting({ min: 0, max: 30 * 24 * 60 * minute, default: 60 * minute }),
    description:
      'After the GitHub App was uninstalled its functions go on for so long, in milliseconds; then they are removed, unless it was installed again.',
    defaultText: '3600000 (1 hour)',
  },
} satisfies Settings;

/** Times are in milliseconds. */
export interface BuilderConfig {
  databasePath: string;
  logsDir: string;
  /** The builder's own folder in it is emptied at the start. */
  workDir: string;
  /** Any of them verifies a webhook, so that a secret can be changed without downtime. */
  webhookSecrets: string[];
  /** Forges beside the built-in git host whose webhooks are taken. */
  forges?: ForgesConfig | undefined;
  /** `PATH` of the processes it starts. */
  path: string;
  buildTimeoutMs: number;
  maxConcurrentBuilds: number;
  maxLogBytes: number;
  maxContextBytes: number;
  readyFollowTimeoutMs: number;
  /** How long a push waits for a source or a GitOps repository that is away. Default: 6 hours. */
  remotePatienceMs?: number | undefined;
  /** First and longest wait between two tries. Default: 250 ms and 30 s. */
  retry?: { firstMs: number; maxMs: number } | undefined;
  /** How long the webhook of a commit seen at the head of a branch may take before the push is recovered. Default: 3 s. */
  webhookGraceMs?: number | undefined;
  /** How often branch heads are compared, and forges are asked for what they could not deliver. Default: 10 minutes. */
  compareMs?: number | undefined;
  /** Between the uninstallation of the App and the removal of what it deployed. Default: an hour. */
  uninstallGraceMs?: number | undefined;
  /** Finished pushes kept per repository, with their logs. Default: 500. */
  keepPushes?: number | undefined;
  /** Logs are kept this long. Default: 30 days. */
  logMaxAgeMs?: number | undefined;
  /** Of all logs together; the oldest go first. Default: 5 GB. */
  maxAllLogBytes?: number | undefined;
  /** Where finished logs are kept besides `logsDir`, which holds those being written then. */
  logBucket?: LogBucket | undefined;
}
