import { resolve } from 'node:path';
import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import { booleanSetting, type ConfigOf, type Settings } from '../../runtime/config.ts';
import type { RegistryPattern } from '../../runtime/registry/registry-pattern.ts';
import { registrySettings } from '../../runtime/registry/registry-settings.ts';
import type { BuildkitEngineConfig } from './buildkit-engine-config.ts';

const file = z.string().transform((path) => resolve(path));
const variables = z
  .string()
  .regex(/^[A-Za-z_]\w*=[^,]*(?:,[A-Za-z_]\w*=[^,]*)*$/, 'must be NAME=value pairs, comma separated')
  .transform((text) => Object.fromEntries(text.split(',').map((pair) => cut(pair))));
const folders = z
  .string()
  .regex(/^[a-z0-9._/-]+(?:,[a-z0-9._/-]+)*$/, 'must be folders of the registry, comma separated')
  .transform((text) => text.split(','));

function cut(pair: string): [string, string] {
  const equals = pair.indexOf('=');
  return [pair.slice(0, equals), pair.slice(equals + 1)];
}

/** What an operator sets for builds with a BuildKit daemon. */
export const buildkitSettings = {
  buildkitAddress: {
    env: 'TOWLINE_BUILDKIT_ADDRESS',
    schema: z
      .string()
      .regex(/^(?:unix:\/\/\/|tcp:\/\/)\S+$/, 'must be unix:///path or tcp://host:port')
      .default('unix:///run/buildkit/buildkitd.sock'),
    defaultText: '`unix:///run/buildkit/buildkitd.sock`',
    description:
      'Where the BuildKit daemon listens, for `TOWLINE_ENGINE=buildkit`: `unix:///…` or `tcp://host:port`.',
  },
  buildkitCa: {
    env: 'TOWLINE_BUILDKIT_CA',
    schema: file.optional(),
    defaultText: 'none',
    description: 'PEM file of the authority that signed the daemon’s certificate; needed with `tcp://`.',
  },
  buildkitCert: {
    env: 'TOWLINE_BUILDKIT_CERT',
    schema: file.optional(),
    defaultText: 'none',
    description: 'PEM file of the certificate by which the daemon knows this builder.',
  },
  buildkitKey: {
    env: 'TOWLINE_BUILDKIT_KEY',
    schema: file.optional(),
    defaultText: 'none',
    description: 'PEM file of that certificate’s key.',
  },
  buildkitServerName: {
    env: 'TOWLINE_BUILDKIT_SERVER_NAME',
    schema: z.string().optional(),
    defaultText: 'the host of the address',
    description: 'The name that the daemon’s certificate must hold.',
  },
  buildctl: {
    env: 'TOWLINE_BUILDCTL',
    schema: z.string().default('buildctl'),
    defaultText: '`buildctl`',
    description: 'The program, by its name on the PATH or its path; best of the daemon’s own version.',
  },
  ...registrySettings,
  sharedFolders: {
    env: 'TOWLINE_SHARED_IMAGES',
    schema: folders.default([]),
    defaultText: 'none',
    description:
      'Folders below `TOWLINE_REGISTRY` whose images every owner’s Dockerfiles may use, comma separated; `/base` is one of its host. Of the rest of that host each owner has its own folder only.',
  },
  commonBuildArgs: {
    env: 'TOWLINE_BUILD_ARGS',
    schema: variables.default({}),
    defaultText: 'none',
    description:
      'Build arguments of all image builds, as `NODE_IMAGE=registry.example/base/node:24,PYTHON_IMAGE=…` for the templates’ base images.',
  },
  buildCache: {
    env: 'TOWLINE_BUILD_CACHE',
    schema: z.enum(['none', 'inline', 'registry'], 'must be none, inline or registry').default('none'),
    defaultText: '`none`',
    description:
      'Where layers are kept besides the daemon’s own store: `inline` in the images, `registry` as `<repository>:buildcache`.',
  },
  buildNetwork: {
    env: 'TOWLINE_BUILD_NETWORK',
    schema: z.enum(['none', 'host', 'sandbox'], 'must be none, host or sandbox').optional(),
    defaultText: 'as the daemon is set up',
    description: 'Network of RUN steps: `none`, `sandbox` or `host`.',
  },
  provenance: {
    env: 'TOWLINE_PROVENANCE',
    schema: z.enum(['min', 'max'], 'must be min or max').optional(),
    defaultText: 'none',
    description: 'Attaches BuildKit’s provenance attestation to images: `min` or `max`.',
  },
  sbom: {
    env: 'TOWLINE_SBOM',
    schema: booleanSetting(false),
    defaultText: '`false`',
    description: 'Attaches a software bill of materials, made by BuildKit’s scanner image.',
  },
  sbomScanner: {
    env: 'TOWLINE_SBOM_SCANNER',
    schema: z.string().optional(),
    defaultText: 'BuildKit’s own',
    description: 'The scanner’s image, for a registry of one’s own.',
  },
} satisfies Settings;

export type BuildkitSettings = ConfigOf<typeof buildkitSettings>;

/** Throws `config_invalid` for what is missing. */
export function buildkitConfig(
  settings: BuildkitSettings,
  { path, workDir, cacheKey }: { path: string; workDir: string; cacheKey: string },
): BuildkitEngineConfig {
  const { registry: pattern } = settings;
  if (!pattern) throw invalid('TOWLINE_REGISTRY: builds with BuildKit need a registry to push to');
  return {
    buildctl: settings.buildctl,
    path,
    address: settings.buildkitAddress,
    tls: tlsFiles(settings),
    registry: registryName(pattern),
    isInsecure: pattern.scheme === 'http',
    sharedFolders: settings.sharedFolders,
    dockerConfigDir: settings.registryConfigDir,
    buildArgs: settings.commonBuildArgs,
    cache: settings.buildCache,
    network: settings.buildNetwork,
    attestations: {
      ...(settings.provenance === undefined ? {} : { provenance: settings.provenance }),
      ...(settings.sbom ? { sbom: settings.sbomScanner ?? '' } : {}),
    },
    cacheKey,
    workDir,
  };
}

/** Where the Docker Engine's images go, and what all its builds get. */
export function dockerImages(settings: BuildkitSettings) {
  const { registry: pattern, registryConfigDir, commonBuildArgs, sharedFolders } = settings;
  const buildArgs = { buildArgs: commonBuildArgs };
  if (!pattern) return buildArgs;
  const isInsecure = pattern.scheme === 'http';
  const registry = registryName(pattern);
  return { ...buildArgs, registry, isInsecure, sharedFolders, dockerConfigDir: registryConfigDir };
}

/** As images are named. */
function registryName({ registry: host, folder }: RegistryPattern): string {
  return [host, ...folder].join('/');
}

/** Whoever reaches a daemon can run what it likes there, so a TCP port is used with certificates on both sides only. */
function tlsFiles(settings: BuildkitSettings): BuildkitEngineConfig['tls'] {
  const { buildkitCa: ca, buildkitCert: cert, buildkitKey: key } = settings;
  if (!settings.buildkitAddress.startsWith('tcp://')) return undefined;
  if (ca === undefined || cert === undefined || key === undefined) {
    throw invalid('TOWLINE_BUILDKIT_CA, _CERT and _KEY: a tcp:// address needs all three');
  }
  return { ca, cert, key, serverName: settings.buildkitServerName };
}

function invalid(problem: string): TowlineError {
  return new TowlineError('config_invalid', `the configuration has 1 problem(s)\n  ${problem}`);
}
