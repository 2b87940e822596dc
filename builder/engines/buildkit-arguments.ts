import { TowlineError } from '../../core/errors.ts';
import type { BuildRequest } from './build-engine.ts';
import type { BuildkitEngineConfig } from './buildkit-engine-config.ts';

/** What one call of `buildctl` gets. */
export interface BuildctlCall {
  args: string[];
  /** The secrets' values: they are in no argument and in no file. */
  environment: Record<string, string>;
}

export interface BuildFiles {
  /** `buildctl` writes the digest of what it pushed here. */
  metadata: string;
  sourcePolicy: string;
}

/** Of every layer's and image's own times: the same content gets the same digest. After 1980, which zip files need. */
const sourceDateEpoch = '315619200';
const secretId = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** Build arguments by which a Dockerfile frontend is steered; the platform's alone. */
export function isReservedArg(name: string): boolean {
  return name.startsWith('BUILDKIT_') && name !== 'BUILDKIT_SYNTAX';
}

/** The arguments for one build. Source: moby/buildkit, docs/reference/buildctl.md and the Dockerfile frontend's options. */
export function buildctlCall(
  config: BuildkitEngineConfig,
  request: BuildRequest,
  files: BuildFiles,
): BuildctlCall {
  const secrets = secretArguments(request.secrets);
  const args = [
    ...connectionArguments(config),
    ...['build', '--frontend', 'dockerfile.v0', '--progress', 'rawjson'],
    ...['--local', `context=${request.contextDir}`, '--local', `dockerfile=${request.contextDir}`],
    ...['--metadata-file', files.metadata, '--source-policy-file', files.sourcePolicy],
    ...options(frontendOptions(config, request)),
    ...secrets.args,
    ...exportArguments(config, request.image),
    ...(config.network === 'host' ? ['--allow', 'network.host'] : []),
  ];
  return { args, environment: secrets.environment };
}

function connectionArguments({ address, tls }: BuildkitEngineConfig): string[] {
  const files = tls ? ['--tlscacert', tls.ca, '--tlscert', tls.cert, '--tlskey', tls.key] : [];
  const name = tls?.serverName === undefined ? [] : ['--tlsservername', tls.serverName];
  return ['--addr', address, ...files, ...name];
}

function frontendOptions(config: BuildkitEngineConfig, request: BuildRequest): Record<string, string> {
  const { platforms, labels, owner } = request;
  const { sbom, provenance } = config.attestations ?? {};
  const own = Object.entries({ ...config.buildArgs, ...request.buildArgs }).filter(
    ([name]) => !isReservedArg(name),
  );
  return {
    'build-arg:SOURCE_DATE_EPOCH': sourceDateEpoch,
    ...prefixed('build-arg:', Object.fromEntries(own)),
    // Cache mounts are named by Dockerfiles: one owner's must not be another's.
    'build-arg:BUILDKIT_CACHE_MOUNT_NS': owner,
    ...prefixed('label:', labels),
    ...(platforms.length > 0 ? { platform: platforms.join(',') } : {}),
    ...(config.network === undefined ? {} : { 'force-network-mode': config.network }),
    ...(sbom === undefined ? {} : { 'attest:sbom': sbom === '' ? '' : `generator=${sbom}` }),
    ...(provenance === undefined ? {} : { 'attest:provenance': `mode=${provenance}` }),
  };
}

function prefixed(prefix: string, values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, value]));
}

function options(values: Record<string, string>): string[] {
  return Object.entries(values).flatMap(([name, value]) => ['--opt', `${name}=${value}`]);
}

function secretArguments(secrets: Record<string, string>): BuildctlCall {
  const args: string[] = [];
  const environment: Record<string, string> = {};
  for (const [index, [id, value]] of Object.entries(secrets).entries()) {
    if (!secretId.test(id)) {
      throw new TowlineError('stack_invalid', `"${id}" cannot be the name of a build secret`, {
        hint: 'use letters, digits, ".", "_" and "-"',
      });
    }
    const variable = `TOWLINE_BUILD_SECRET_${index}`;
    args.push('--secret', `id=${id},env=${variable}`);
    environment[variable] = value;
  }
  return { args, environment };
}

/** Where a repository's cache lies in the registry, beside its images. */
function cacheReference(image: string): string {
  return `${image.slice(0, image.lastIndexOf(':'))}:buildcache`;
}

function exportArguments({ cache, isInsecure }: BuildkitEngineConfig, image: string): string[] {
  const reference = cacheReference(image);
  const insecure = isInsecure ? ',registry.insecure=true' : '';
  const names = cache === 'inline' ? `"name=${image},${reference}"` : `name=${image}`;
  const output = ['--output', `type=image,${names},push=true${insecure}`];
  if (cache === 'none') return output;
  const load = ['--import-cache', `type=registry,ref=${reference}${insecure}`];
  if (cache === 'inline') return [...output, ...load, '--export-cache', 'type=inline'];
  // A cache that can't be written is no reason to fail a build.
  const save = `type=registry,ref=${reference},mode=max,ignore-error=true${insecure}`;
  return [...output, ...load, '--export-cache', save];
}

/**
 * A Dockerfile may name any image, and the platform's registry would give its builder all of them. So of that registry
 * a build gets the owner's own folder and those that are shared. Source: moby/buildkit, docs/build-repro.md.
 */
export function sourcePolicy(config: BuildkitEngineConfig, owner: string): string {
  const rule = (action: string, folder: string) => ({
    action,
    selector: {
      identifier: `(?i)^docker-image://${escaped(config.registry)}/${folder}`,
      match_type: 'REGEX',
    },
  });
  const folders = [owner, ...(config.sharedFolders ?? [])];
  const rules = [rule('DENY', ''), ...folders.map((folder) => rule('ALLOW', `${escaped(folder)}/`))];
  return JSON.stringify({ version: 1, rules });
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
