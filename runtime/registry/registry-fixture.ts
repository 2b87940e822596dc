/** A registry's read side over real HTTP, with the faults and the lies that a real one can't be asked for. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const imageManifest = 'application/vnd.oci.image.manifest.v1+json';
export const imageIndex = 'application/vnd.oci.image.index.v1+json';

export interface SeenRequest {
  method: string;
  url: string;
  authorization: string | undefined;
  body: string;
}

type Handler = (req: SeenRequest, res: ServerResponse) => boolean;

export interface HttpFixture extends AsyncDisposable {
  origin: string;
  host: string;
  seen: SeenRequest[];
  /** Asked first; `true`: it has answered. */
  intercept: Handler | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}

async function startServer(answer: (req: SeenRequest, res: ServerResponse) => void): Promise<HttpFixture> {
  const seen: SeenRequest[] = [];
  const server = createServer(async (req: IncomingMessage, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    const request = {
      method: req.method ?? '',
      url: req.url ?? '',
      authorization: req.headers.authorization,
      body,
    };
    seen.push(request);
    if (!fixture.intercept?.(request, res)) answer(request, res);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const fixture: HttpFixture = {
    origin: `http://127.0.0.1:${port}`,
    host: `127.0.0.1:${port}`,
    seen,
    intercept: undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fixture;
}

export interface RegistryFixture extends HttpFixture {
  /** Gives the digest. */
  push(repository: string, tag: string, body: string, type?: string): string;
}

/** `auth`: what a request has to bring, and what a 401 says. */
export async function startRegistryFixture(
  auth?: () => { authorization: string; challenge: string },
): Promise<RegistryFixture> {
  const manifests = new Map<string, { body: string; type: string }>();
  const server = await startServer((req, res) => {
    const needed = auth?.();
    if (needed && req.authorization !== needed.authorization) {
      res.writeHead(401, { 'www-authenticate': needed.challenge }).end();
      return;
    }
    const [, repository, reference] = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(req.url) ?? [];
    const found = manifests.get(`${repository} ${reference}`);
    if (!found) return void res.writeHead(404, { 'content-type': 'application/json' }).end('{"errors":[]}');
    res.writeHead(200, { 'content-type': found.type }).end(found.body);
  });
  return Object.assign(server, {
    push(repository: string, tag: string, body: string, type = imageManifest) {
      const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
      for (const reference of [tag, digest]) manifests.set(`${repository} ${reference}`, { body, type });
      return digest;
    },
  });
}

/** Gives `token` to whoever asks, or to whoever sends `authorization`. */
export async function startTokenService(token: string, authorization?: string): Promise<HttpFixture> {
  return startServer((req, res) => {
    const isRefused = authorization !== undefined && req.authorization !== authorization;
    if (isRefused) return void res.writeHead(401).end();
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token }));
  });
}

/** A manifest that differs by `text`. */
export function manifestOf(text: string): string {
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: text.length };
  return JSON.stringify({ schemaVersion: 2, mediaType: imageManifest, config, layers: [] });
}
