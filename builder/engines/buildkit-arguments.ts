import { TowlineError } from '../../core/errors.ts';
import type { BuildRequest } from './build-engine.ts';
import type { BuildkitEngineConfig } from './buildkit-engine-config.ts';
import { cacheScopeHost, scopeOwner } from './cache-scope.ts';
import { allowedPrefixes, type ImageSources } from './image-sources.ts';

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

/** Build arguments by which a Dockerfile frontend is steered; the platform's alone. */
export function isReservedArg(name: string): boolean {
  return name.startsWith('BUILDKIT_');
}

const secretId = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
/** What the builder itself takes for git and HTTP sources, whose results all builds share. */
const sourceSecret = /^(?:GIT|HTTP)_AUTH_/i;

/** Throws `stack_invalid`. A comma would begin another option, as one that reads a file of this machine. */
export function requireSecretNames(secrets: Readonly<Record<string, string>>): void {
  for (const id of Object.keys(secrets)) {
    if (secretId.test(id) && !sourceSecret.test(id)) continue;
    throw new TowlineError('stack_invalid', `"${id}" cannot be the name of a build secret`, {
      hint: 'use letters, digits, ".", "_" and "-"; GIT_AUTH_ and HTTP_AUTH_ are the builder\'s own',
    });
  }
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
    ...(request.noCache ? ['--no-cache'] : []),
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
  const { platforms, labels } = request;
  const { sbom, provenance } = config.attestations ?? {};
  const own = Object.entries({ ...config.buildArgs, ...request.buildArgs }).filter(
    ([name]) => !isReservedArg(name),
  );
  return {
    'build-arg:SOURCE_DATE_EPOCH': sourceDateEpoch,
    ...prefixed('build-arg:', Object.fromEntries(own)),
    // Cache mounts are named by Dockerfiles: one owner's must not be another's.
    'build-arg:BUILDKIT_CACHE_MOUNT_NS': scopeOwner(request),
    'add-hosts': `${cacheScopeHost(config.cacheKey, request)}=127.0.0.1`,
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
  requireSecretNames(secrets);
  for (const [index, [id, value]] of Object.entries(secrets).entries()) {
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
 * A Dockerfile may name any image and any registry, so a build gets none but those that are allowed; the last rule that
 * fits counts. Source: moby/buildkit, docs/build-repro.md.
 */
export function sourcePolicy(sources: ImageSources): string {
  const rule = (action: string, identifier: string) => ({
    action,
    selector: { identifier: `(?i)^${identifier}`, match_type: 'REGEX' },
  });
  const allowed = allowedPrefixes(sources).map((prefix) =>
    rule('ALLOW', `docker-image://${escaped(prefix)}(?:[/:@]|$)`),
  );
  return JSON.stringify({ version: 1, rules: [rule('DENY', '(?:docker-image|oci-layout)'), ...allowed] });
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
