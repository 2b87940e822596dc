import { resolve } from 'node:path';
import { z } from 'zod';
import { authSettings } from '../auth/index.ts';
import { builderSettings } from '../builder/index.ts';
import { routerSettings } from '../router/index.ts';
import { auditSettings } from '../runtime/audit/audit-settings.ts';
import {
  booleanSetting,
  type ConfigOf,
  type Environment,
  integerSetting,
  readConfig,
  type Settings,
} from '../runtime/config.ts';

const duration = (defaultMs: number, maxMs: number) =>
  integerSetting({ min: 0, max: maxMs, default: defaultMs });
const minute = 60_000;

/** What npm and pip need to reach their registries from behind a company's proxy. No credentials by their usual names. */
const networkVariables = [
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy'],
  ...['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'REQUESTS_CA_BUNDLE', 'PIP_CERT'],
  ...['npm_config_registry', 'NPM_CONFIG_REGISTRY', 'PIP_INDEX_URL', 'PIP_EXTRA_INDEX_URL'],
];

const { readyFollowTimeoutMs: _followsReadyTimeout, ...buildSettings } = builderSettings;

/** Every setting of the platform on one machine. docs/configuration.md is generated from this table. */
export const localSettings = {
  port: {
    env: 'PORT',
    schema: integerSetting({ min: 0, max: 65_535, default: 8080 }),
    defaultText: '8080',
    description: 'Port on 127.0.0.1 for everything; 0 takes a free one.',
  },
  dataDir: {
    env: 'TOWLINE_DATA',
    schema: z
      .string()
      .default('.data')
      .transform((path) => resolve(path)),
    defaultText: '`.data`',
    description: 'Folder for repositories, artifacts, databases, logs and keys.',
  },
  configFile: {
    env: 'TOWLINE_CONFIG',
    schema: z
      .string()
      .min(1)
      .optional()
      .transform((path) => path && resolve(path)),
    defaultText: '`towline.yaml` in the data folder, if it is there',
    description: 'YAML file with the policy, the environments and the rules for secrets: environments.md.',
  },
  owner: {
    env: 'TOWLINE_OWNER',
    schema: z
      .string()
      .regex(
        /^[a-z0-9](?:[a-z0-9-]{0,37}[a-z0-9])?$/,
        'must be a lower-case DNS label of at most 39 characters',
      )
      .default('demo'),
    defaultText: '`demo`',
    description: 'The first owner, made on the first start; it operates the platform.',
  },
  samples: {
    env: 'TOWLINE_SAMPLES',
    schema: booleanSetting(true),
    defaultText: '`true`',
    description: 'Whether the first start pushes the sample repositories.',
  },
  logLevel: {
    env: 'TOWLINE_LOG_LEVEL',
    schema: z
      .enum(['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'], 'must be a pino level')
      .default('silent'),
    defaultText: '`silent`',
    description: 'JSON logs on standard error, from this level up.',
  },
  readyTimeoutMs: {
    env: 'TOWLINE_READY_TIMEOUT_MS',
    schema: duration(20_000, 10 * minute),
    defaultText: '20000',
    description: 'Milliseconds that a new version has to get healthy.',
  },
  stuckAfterMs: {
    env: 'TOWLINE_STUCK_AFTER_MS',
    schema: duration(0, 24 * 60 * minute)
      .unwrap()
      .optional(),
    defaultText: '120000, or twice `TOWLINE_FUNCTION_TIMEOUT_MS` if that is longer',
    description:
      'Milliseconds for which a running function may answer no health check, as one that computes on its only thread; after that it is started again. 0: for ever.',
  },
  idleAfterMs: {
    env: 'TOWLINE_IDLE_AFTER_MS',
    schema: duration(0, 24 * 60 * minute),
    defaultText: '0',
    description: 'Milliseconds without a request after which a function sleeps; 0 never.',
  },
  engine: {
    env: 'TOWLINE_ENGINE',
    schema: z
      .enum(['process', 'docker', 'buildkit'], 'must be "process", "docker" or "buildkit"')
      .default('process'),
    defaultText: '`process`',
    description:
      'What builds and runs functions: `process`, plain processes, for one’s own code only; `docker`, the Docker Engine of this machine; `buildkit`, a BuildKit daemon that pushes to `TOWLINE_REGISTRY`, from where the Docker Engine runs them.',
  },
  containerMemoryMb: {
    env: 'TOWLINE_CONTAINER_MEMORY_MB',
    schema: integerSetting({ min: 16, max: 1_048_576, default: 512 }),
    defaultText: '512',
    description: 'MiB of memory for a container whose function sets no limit.',
  },
  containerCpus: {
    env: 'TOWLINE_CONTAINER_CPUS',
    schema: z.coerce.number('must be a number').min(0.01).max(1024).default(1),
    defaultText: '1',
    description: 'Processors for a container whose function sets no limit.',
  },
  containerPids: {
    env: 'TOWLINE_CONTAINER_PIDS',
    schema: integerSetting({ min: 8, max: 100_000, default: 512 }),
    defaultText: '512',
    description: 'Processes and threads of a container.',
  },
  buildEnvironment: {
    env: 'TOWLINE_BUILD_ENV',
    schema: z
      .string()
      .regex(
        /^[A-Za-z_][A-Za-z0-9_]*(,[A-Za-z_][A-Za-z0-9_]*)*$/,
        'must be names of variables, comma separated',
      )
      .transform((text) => text.split(','))
      .default(networkVariables),
    defaultText: 'proxies, certificate files and package indexes',
    description: 'Variables of this environment that builds get; they get no other.',
  },
  ...buildSettings,
  ...auditSettings,
  ...authSettings,
  ...routerSettings,
} satisfies Settings;

export type LocalConfig = ConfigOf<typeof localSettings>;

/** Throws `config_invalid` with every problem at once. */
export function parseLocalConfig(env: Environment): LocalConfig {
  return readConfig(localSettings, env);
}
