import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describeError } from '../../core/errors.ts';
import { appManifest, convertCode, type NewApp } from './app-manifest.ts';

export interface SetupOptions {
  /** Of the platform. */
  origin: string;
  name: string;
  /** Whose App it is to be; the person's own without it. */
  organization?: string | undefined;
  webUrl: string;
  apiUrl: string;
  /** Whether everybody on GitHub may install it. Default: only the account whose App it is. */
  public?: boolean | undefined;
  /** As in the manifest. Default: checks alone. */
  statuses?: boolean | undefined;
  port?: number | undefined;
}

export interface SetupServer extends AsyncDisposable {
  /** The page with the button, for a browser on this machine. */
  url: string;
  /** When GitHub has made the App. */
  made: Promise<NewApp>;
}

const escapes: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string) => text.replace(/[&<>"']/g, (found) => escapes[found] ?? '');

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escaped(title)}</title><main><h1>${escaped(title)}</h1>${body}</main></html>`;
}

function isSame(given: string | null, state: string): boolean {
  const [one, other] = [Buffer.from(given ?? ''), Buffer.from(state)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/**
 * Serves one page on this machine alone, whose button makes a GitHub App with the right permissions, events and secret,
 * and takes its keys when GitHub sends the browser back. Nobody but who started it is asked: the page's address and the
 * answer carry a random state.
 */
export async function startSetupServer(options: SetupOptions): Promise<SetupServer> {
  const { origin, name, organization, webUrl, apiUrl } = options;
  const state = randomBytes(24).toString('base64url');
  const stop = new AbortController();
  const made = Promise.withResolvers<NewApp>();
  // Whoever only stops the server need not wait for it.
  made.promise.catch(() => {});
  const owner =
    organization === undefined ? 'settings' : `organizations/${encodeURIComponent(organization)}/settings`;
  const action = `${webUrl}/${owner}/apps/new?state=${state}`;

  function send(res: ServerResponse, status: number, html: string): void {
    res.writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; form-action ${webUrl}; frame-ancestors 'none'`,
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
    res.end(html);
  }

  function showButton(res: ServerResponse): void {
    const manifest = JSON.stringify(
      appManifest({
        ...{ name, origin, redirectUrl: `${base()}/made` },
        ...{ public: options.public ?? false, statuses: options.statuses ?? false },
      }),
    );
    const form = `<form method="post" action="${escaped(action)}"><input type="hidden" name="manifest" value="${escaped(manifest)}"><button>Create the GitHub App “${escaped(name)}”</button></form>`;
    send(res, 200, page('Towline on GitHub', `<p>GitHub shows what it may do, and asks you.</p>${form}`));
  }

  async function take(url: URL, res: ServerResponse): Promise<void> {
    try {
      const app = await convertCode(url.searchParams.get('code') ?? '', {
        apiUrl,
        webUrl,
        signal: stop.signal,
      });
      const link = `<a href="${escaped(app.installUrl)}">install it on an account</a>`;
      send(res, 200, page('The App is there', `<p>Its keys are with who started this. Next: ${link}.</p>`));
      made.resolve(app);
    } catch (error) {
      send(res, 400, page('That did not work', `<p>${escaped(describeError(error))}</p>`));
    }
  }

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', base());
    const isHere = req.method === 'GET' && req.headers.host === new URL(base()).host;
    if (!isHere || !isSame(url.searchParams.get('state'), state)) {
      return send(res, 404, page('Not found', '<p>There is nothing here.</p>'));
    }
    if (url.pathname === '/made') return take(url, res);
    return url.pathname === '/' ? showButton(res) : send(res, 404, page('Not found', ''));
  }

  const server = createServer((req, res) => {
    handle(req, res).catch(() => res.destroy());
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const base = () => `http://127.0.0.1:${port}`;
  return {
    url: `${base()}/?state=${state}`,
    made: made.promise,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the set-up ends'));
      made.reject(new Error('the set-up ends'));
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      await closed;
    },
  };
}
