import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import type { ImageReference } from '../../core/image-reference.ts';
import type { OwnerRegistries, RegistryCredentials } from './registry-access.ts';
import { parseChallenge, type RegistryChallenge } from './registry-challenge.ts';
import type { RegistryAnswer, RegistryCall, RegistryHttp } from './registry-http.ts';
import { hostName, isLoopbackHost, type RegistryPattern, registryOrigin } from './registry-pattern.ts';

export interface SessionOptions {
  http: RegistryHttp;
  pattern: RegistryPattern;
  owner: OwnerRegistries;
  image: ImageReference;
  signal: AbortSignal;
}

const TokenAnswer = z
  .object({ token: z.string().optional(), access_token: z.string().optional() })
  .transform(({ token, access_token }) => token || access_token || undefined);

const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const maxManifestBytes = 4 * 1024 * 1024;
const maxTokenBytes = 256 * 1024;
const maxRedirects = 3;
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** A token that can be sent in a header. */
const tokenText = /^[\x21-\x7e]{1,65536}$/;

function forbidden(image: ImageReference, hasCredentials: boolean): TowlineError {
  const name = `${image.registry}/${image.repository}`;
  return new TowlineError('image_forbidden', `${name} does not exist, or may not be pulled`, {
    hint: hasCredentials
      ? `the credentials for ${image.registry} do not allow it`
      : `there are no credentials for ${image.registry}; an operator can add them, or make the image public`,
  });
}

/** Asks one registry about one repository; what it proves itself with stays in here. */
export function openRegistrySession({ http, pattern, owner, image, signal }: SessionOptions) {
  const origin = new URL(registryOrigin(pattern));
  const credentials: RegistryCredentials | undefined = owner.credentials(image.registry);

  /** Hosts that an operator named, and, for a registry on this machine, this machine. */
  function isTrusted({ host, hostname, protocol }: URL): boolean {
    if (host === origin.host && protocol === origin.protocol) return true;
    const onThisMachine = isLoopbackHost(hostName(hostname)) && isLoopbackHost(hostName(origin.hostname));
    const isNamed = owner.allowed.some((other) => other.registry === host && `${other.scheme}:` === protocol);
    return onThisMachine || isNamed;
  }

  /** Credentials never travel in clear, except on this machine or where an operator said so. */
  function mayCarrySecrets(url: URL): boolean {
    return url.protocol === 'https:' || isTrusted(url);
  }

  /** With credentials if there are some; for what we need, whatever more the registry offers. */
  function tokenCall(realm: string, service: string | undefined): RegistryCall {
    const url = new URL(realm);
    const query = {
      ...(service === undefined ? {} : { service }),
      scope: `repository:${image.repository}:pull`,
    };
    const base = { url, maxBytes: maxTokenBytes, signal };
    if (credentials?.type === 'refresh-token') {
      const grant = { grant_type: 'refresh_token', client_id: 'towline', refresh_token: credentials.token };
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const body = new URLSearchParams({ ...grant, ...query }).toString();
      return { ...base, method: 'POST', headers, body };
    }
    for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value);
    const headers: Record<string, string> = credentials ? { authorization: basic(credentials) } : {};
    return { ...base, headers };
  }

  async function token({ realm, service }: { realm: string; service: string | undefined }): Promise<string> {
    if (!URL.canParse(realm)) throw noToken();
    const call = tokenCall(realm, service);
    if (credentials && !mayCarrySecrets(call.url)) throw forbidden(image, false);
    const answer = await http.call(call, isTrusted(call.url));
    if (answer.status !== 200) throw forbidden(image, credentials !== undefined);
    const text = TokenAnswer.safeParse(parseJson(answer.body)).data;
    if (text === undefined || !tokenText.test(text)) throw noToken();
    return text;
  }

  function noToken(): TowlineError {
    return new TowlineError('registry_unavailable', `the token service of ${image.registry} gives no token`);
  }

  function basic({ username, password }: { username: string; password: string }): string {
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }

  async function authorization(challenge: RegistryChallenge): Promise<string> {
    if (challenge.type === 'bearer') return `Bearer ${await token(challenge)}`;
    if (credentials?.type !== 'password' || !mayCarrySecrets(origin)) throw forbidden(image, false);
    return basic(credentials);
  }

  /** Follows redirects; what proves us goes to the registry's own host alone. */
  async function get(path: string, proof: string | undefined): Promise<RegistryAnswer> {
    let url = new URL(path, origin);
    for (let hops = 0; ; hops += 1) {
      const isOwn = url.origin === origin.origin;
      const headers = {
        accept: manifestTypes.join(', '),
        ...(proof !== undefined && isOwn ? { authorization: proof } : {}),
      };
      const answer = await http.call({ url, headers, maxBytes: maxManifestBytes, signal }, isTrusted(url));
      const location = answer.headers['location'];
      if (!redirects.has(answer.status) || typeof location !== 'string') return answer;
      if (hops >= maxRedirects || !URL.canParse(location, url.href)) {
        throw new TowlineError('registry_unavailable', `${image.registry} redirects without end`);
      }
      url = new URL(location, url);
    }
  }

  return {
    /** The manifest by tag or digest. Throws `image_not_found`, `image_forbidden`. */
    async manifest(reference: string): Promise<RegistryAnswer> {
      const path = `/v2/${image.repository}/manifests/${reference}`;
      let answer = await get(path, undefined);
      if (answer.status === 401) {
        const challenge = parseChallenge(answer.headers['www-authenticate']);
        if (!challenge) throw forbidden(image, credentials !== undefined);
        answer = await get(path, await authorization(challenge));
      }
      if (answer.status === 200) return answer;
      if (answer.status === 404) {
        const separator = reference.startsWith('sha256:') ? '@' : ':';
        const name = `${image.registry}/${image.repository}${separator}${reference}`;
        throw new TowlineError('image_not_found', `there is no image ${name}`, {
          hint: 'push it first, or mend the name',
        });
      }
      if (answer.status === 401 || answer.status === 403) throw forbidden(image, credentials !== undefined);
      throw new TowlineError('registry_unavailable', `${image.registry} answers ${answer.status}`);
    },
  };
}

export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
