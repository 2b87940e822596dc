import { createHash, randomUUID, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importPKCS8, SignJWT } from 'jose';
import {
  describeImageRegistry,
  type RegistrySubject,
} from '../../runtime/registry/image-registry.contract.ts';
import { createHttpImageRegistry } from '../../runtime/registry/image-registry-http.ts';
import { runProcess } from '../../runtime/run-process.ts';
import { registryAccount, startRegistry, type TestRegistryOptions } from '../containers/registry.ts';

const basic = `Basic ${Buffer.from(`${registryAccount.username}:${registryAccount.password}`).toString('base64')}`;

function clientOf(host: string, hasLogin: boolean) {
  const login = { type: 'password', ...registryAccount } as const;
  return createHttpImageRegistry(
    {
      of: async () => ({
        allowed: [{ scheme: 'http', registry: host, folder: [] }],
        credentials: (registry) => (hasLogin && registry === host ? login : undefined),
      }),
    },
    { maxTries: 2, retry: { firstMs: 1, maxMs: 2 } },
  );
}

const digestOf = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** Uploads an image of a configuration alone, as `docker push` would. */
async function upload(
  origin: string,
  image: { repository: string; tag: string; content: string },
  authorization: string | undefined,
): Promise<string> {
  const url = `${origin}/v2/${image.repository}`;
  const headers = authorization === undefined ? {} : { authorization };
  const put = async (target: string | URL, type: string, body: string) => {
    const response = await fetch(target, {
      method: 'PUT',
      headers: { ...headers, 'content-type': type },
      body,
    });
    if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  };
  const config = JSON.stringify({ architecture: 'amd64', os: 'linux', author: image.content });
  const begun = await fetch(`${url}/blobs/uploads/`, { method: 'POST', headers });
  const location = new URL(begun.headers.get('location') ?? '', origin);
  location.searchParams.set('digest', digestOf(config));
  await put(location, 'application/octet-stream', config);
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const mediaType = 'application/vnd.oci.image.config.v1+json';
  const manifest = JSON.stringify({
    ...{ schemaVersion: 2, mediaType: type, layers: [] },
    config: { mediaType, digest: digestOf(config), size: config.length },
  });
  await put(`${url}/manifests/${image.tag}`, type, manifest);
  return digestOf(manifest);
}

async function subject(
  options: TestRegistryOptions,
  authorize: (repository: string) => Promise<string | undefined>,
  more: AsyncDisposable[] = [],
): Promise<RegistrySubject> {
  const started = await startRegistry(options);
  const registry = clientOf(started.host, true);
  const stranger = clientOf(started.host, false);
  return {
    registry,
    stranger: options.auth === undefined ? undefined : stranger,
    host: started.host,
    push: async (repository, tag, content) =>
      upload(started.origin, { repository, tag, content }, await authorize(repository)),
    stop: () => started.program.kill(),
    async [Symbol.asyncDispose]() {
      for (const each of [registry, stranger, started, ...more]) await each[Symbol.asyncDispose]();
    },
  };
}

/** A token service as registries of companies have one: its certificate is all that the registry knows of it. */
async function startTokens() {
  const dir = mkdtempSync(join(tmpdir(), 'towline-tokens-'));
  const [key, certificate] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const flags = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=tokens.test', '-keyout', key, '-out', certificate];
  const args = ['req', '-x509', ...flags, ...names];
  const made = await runProcess({
    command: 'openssl',
    args,
    env: { PATH: process.env['PATH'] ?? '' },
    timeoutMs: 30_000,
  });
  if (made.exitCode !== 0) throw new Error(made.stderr);
  const privateKey = await importPKCS8(readFileSync(key, 'utf8'), 'ES256');
  const x5c = [new X509Certificate(readFileSync(certificate)).raw.toString('base64')];
  const sign = (name: string, actions: string[]) =>
    new SignJWT({ access: [{ type: 'repository', name, actions }] })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', x5c })
      .setIssuer('tokens.test')
      .setAudience('registry.test')
      .setSubject('tester')
      .setJti(randomUUID())
      .setIssuedAt()
      .setNotBefore('-5s')
      .setExpirationTime('5m')
      .sign(privateKey);
  const server = createServer(async (req, res) => {
    const query = new URL(req.url ?? '/', 'http://tokens.test').searchParams;
    const [, name = '', actions = ''] = (query.get('scope') ?? '').split(':');
    // Like Docker Hub: whoever asks gets a token, and one without rights opens nothing.
    const allowed = req.headers.authorization === basic ? actions.split(',') : [];
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ token: await sign(name, allowed) }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    certificate,
    sign,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

describeImageRegistry('docker-registry', () => subject({}, async () => undefined));
describeImageRegistry('docker-registry with passwords', () =>
  subject({ auth: 'htpasswd' }, async () => basic),
);
describeImageRegistry('docker-registry with tokens', async () => {
  const tokens = await startTokens();
  const { realm, certificate: rootcertbundle } = tokens;
  const auth = { token: { realm, service: 'registry.test', issuer: 'tokens.test', rootcertbundle } };
  return subject({ auth }, async (name) => `Bearer ${await tokens.sign(name, ['push', 'pull'])}`, [tokens]);
});
