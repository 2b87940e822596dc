import { createPrivateKey } from 'node:crypto';
import { stringify } from 'yaml';
import { z } from 'zod';
import { TowlineError } from '../../core/errors.ts';
import { readBody } from '../../runtime/http-service.ts';

export interface AppManifestOptions {
  /** Shown to people; GitHub wants it to be the only one of its name. */
  name: string;
  /** Of the platform, without a slash at its end. */
  origin: string;
  /** Where GitHub sends the browser with the code. */
  redirectUrl: string;
  /** Whether everybody on GitHub may install it; else the account alone whose App it is. */
  public: boolean;
  /** Whether commits get statuses in place of checks (`TOWLINE_FEEDBACK=statuses`). */
  statuses: boolean;
}

/**
 * What a GitHub App of the platform may do and is told: the least that deploys, checks and deployments need.
 * docs.github.com: "Registering a GitHub App from a manifest".
 */
export function appManifest({ name, origin, redirectUrl, public: isPublic, statuses }: AppManifestOptions) {
  return {
    name,
    url: origin,
    hook_attributes: { url: `${origin}/webhooks/github`, active: true },
    redirect_url: redirectUrl,
    public: isPublic,
    default_permissions: {
      metadata: 'read',
      contents: 'read',
      checks: 'write',
      ...(statuses ? { statuses: 'write' } : {}),
      deployments: 'write',
    },
    // Of installations, of their repositories and of re-runs every App is told that may hear of them.
    default_events: ['push', 'create', 'delete', 'repository', 'check_run', 'check_suite'],
  };
}

const Conversion = z.object({
  id: z.number().int().positive(),
  slug: z.string().min(1).max(200),
  html_url: z.string().max(500),
  pem: z.string().max(20_000),
  webhook_secret: z.string().min(16).max(500),
});

export interface NewApp {
  id: string;
  slug: string;
  privateKey: string;
  webhookSecret: string;
  /** Where people install it. */
  installUrl: string;
}

const maxBytes = 1_000_000;

/** Trades the code, which works once and for an hour, for the App's keys. Throws `remote_unavailable` or `bad_request`. */
export async function convertCode(
  code: string,
  { apiUrl, webUrl, signal }: { apiUrl: string; webUrl: string; signal: AbortSignal },
): Promise<NewApp> {
  if (!/^[A-Za-z0-9_-]{1,200}$/.test(code))
    throw new TowlineError('bad_request', 'this is no code of GitHub');
  let response: Response;
  try {
    response = await fetch(`${apiUrl}/app-manifests/${code}/conversions`, {
      method: 'POST',
      headers: { accept: 'application/vnd.github+json' },
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]),
    });
  } catch (cause) {
    throw new TowlineError('remote_unavailable', `GitHub cannot be reached at ${apiUrl}`, { cause });
  }
  if (response.status !== 201 || !response.body) {
    await response.body?.cancel();
    const hint = 'a code works once and for an hour: begin again';
    throw new TowlineError('bad_request', `GitHub answered ${response.status} to the code`, { hint });
  }
  const body = await readBody(response.body as unknown as AsyncIterable<Buffer>, maxBytes);
  const { id, slug, pem, webhook_secret } = Conversion.parse(JSON.parse(body.toString('utf8')));
  // Found out now rather than when the builder starts.
  createPrivateKey(pem);
  return {
    id: String(id),
    slug,
    privateKey: pem,
    webhookSecret: webhook_secret,
    installUrl: `${webUrl}/apps/${encodeURIComponent(slug)}/installations/new`,
  };
}

/** The files that the builder reads, by their names in the Secret. */
export const appFileNames = ['github-app-id', 'github-app-key.pem', 'github-webhook-secret'] as const;

export function appFiles({
  id,
  privateKey,
  webhookSecret,
}: NewApp): Record<(typeof appFileNames)[number], string> {
  return {
    'github-app-id': `${id}\n`,
    'github-app-key.pem': privateKey.endsWith('\n') ? privateKey : `${privateKey}\n`,
    'github-webhook-secret': `${webhookSecret}\n`,
  };
}

/**
 * The same as a Secret to apply; never to commit as it is. Server-side apply leaves other managers' files in it alone,
 * which `stringData` would hide from it.
 */
export function appSecret(app: NewApp, namespace: string): string {
  const { 'github-app-id': _, ...files } = appFiles(app);
  return stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'forges', namespace },
    type: 'Opaque',
    data: Object.fromEntries(
      Object.entries(files).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
    ),
  });
}
