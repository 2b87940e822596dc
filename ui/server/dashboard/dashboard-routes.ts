import { extname } from 'node:path';
import type { Context } from 'koa';
import type { Identity } from '../../../core/access.ts';
import type { FunctionSummary, Me } from '../../../core/api.ts';
import { TowlineError } from '../../../core/errors.ts';
import type { PendingRemoval } from '../../../core/manifest-writer.ts';
import { pagePaths } from '../../../core/paths.ts';
import type { Requester } from '../request/requester.ts';
import {
  compress,
  createWebFiles,
  type Encoding,
  minCompressedBytes,
  type WebFile,
  worthCompressing,
} from './web-files.ts';

/** What a page needs for its first paint. */
export interface PageData {
  me: Me;
  functions: FunctionSummary[];
  /** Of the owner in the page's path, else of the first. */
  removals: PendingRemoval[];
}

export interface DashboardDeps {
  webDir: string;
  requester: Requester;
  /** `path`: the page's, whose first segment may name an owner. */
  pageData(identity: Identity, path: string): Promise<PageData>;
}

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** On every answer of the dashboard and the API. */
export const securityHeaders: Record<string, string> = {
  'Content-Security-Policy': policy,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Answers everything outside of the API: a built file, or else the one page that shows all paths. */
export function dashboardRoutes(deps: DashboardDeps): (ctx: Context) => Promise<void> {
  const files = createWebFiles(deps.webDir);

  async function page(ctx: Context): Promise<void> {
    ctx.set('Cache-Control', 'no-store');
    const identity = await deps.requester.visitor(ctx);
    if (!identity) return toLogin(ctx);
    const html = await files.index();
    if (html === undefined) {
      throw new TowlineError('unavailable', 'the dashboard is not built', {
        hint: 'run "npm run build:ui", then load this page again',
      });
    }
    const bytes = Buffer.from(embed(html, await deps.pageData(identity, ctx.path)));
    ctx.type = 'text/html; charset=utf-8';
    await sendCompressed(ctx, bytes.length, ['gzip', 'identity'], (encoding) => compress(bytes, encoding));
  }

  return async (ctx) => {
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') throw nothingHere();
    const file = ctx.path === '/' || ctx.path === '/index.html' ? undefined : await files.file(ctx.path);
    if (file) return sendFile(ctx, file);
    if (!isPage(ctx)) throw nothingHere();
    await page(ctx);
  };
}

/** A missing script must not be answered with HTML; nor must what asks for data. */
function isPage(ctx: Context): boolean {
  if (/^\/(?:api|assets)(?:\/|$)/.test(ctx.path)) return false;
  return (
    ctx.accepts('html') === 'html' && !/\.(?:ico|js|css|map|png|svg|txt|xml|json|webmanifest)$/.test(ctx.path)
  );
}

function nothingHere(): TowlineError {
  return new TowlineError('not_found', 'there is nothing here');
}

function toLogin(ctx: Context): void {
  ctx.set('Location', `${pagePaths.login()}?${new URLSearchParams({ next: ctx.path + ctx.search })}`);
  ctx.status = 303;
  ctx.body = '';
}

async function sendFile(ctx: Context, file: WebFile): Promise<void> {
  // Names under assets/ have a hash of their content.
  const forEver = ctx.path.startsWith('/assets/');
  ctx.set('Cache-Control', forEver ? 'public, max-age=31536000, immutable' : 'no-cache');
  ctx.type = extname(ctx.path);
  const plain = await file.content('identity');
  const encodings: Encoding[] = worthCompressing(ctx.path, plain.length)
    ? ['br', 'gzip', 'identity']
    : ['identity'];
  await sendCompressed(ctx, plain.length, encodings, (encoding) => {
    ctx.set('ETag', `"${file.tag}-${encoding}"`);
    return file.content(encoding);
  });
  if (ctx.fresh) {
    ctx.status = 304;
    ctx.body = null;
  }
}

async function sendCompressed(
  ctx: Context,
  size: number,
  encodings: Encoding[],
  content: (encoding: Encoding) => Promise<Buffer>,
): Promise<void> {
  ctx.vary('Accept-Encoding');
  // Our order counts, not the browser's, which always names gzip first.
  const encoding =
    encodings.find((each) => size >= minCompressedBytes && ctx.acceptsEncodings(each)) ?? 'identity';
  ctx.status = 200;
  ctx.body = await content(encoding);
  if (encoding !== 'identity') ctx.set('Content-Encoding', encoding);
}

const unsafeInScript: Record<string, string> = { '<': '\\u003c', '\u2028': '\\u2028', '\u2029': '\\u2029' };

/** Data as an inert block: `<` is escaped, so nothing in it can end the block or begin another. */
function embed(html: string, data: PageData): string {
  const json = JSON.stringify(data).replace(
    /[<\u2028\u2029]/g,
    (character) => unsafeInScript[character] ?? '',
  );
  const block = `<script type="application/json" id="towline-data">${json}</script>`;
  const at = html.indexOf('</head>');
  return at < 0 ? `${block}${html}` : `${html.slice(0, at)}${block}${html.slice(at)}`;
}
