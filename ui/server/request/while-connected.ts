import type { Context } from 'koa';

/** Aborts once the client is gone, or has its answer. */
export function whileConnected(ctx: Context): AbortSignal {
  const controller = new AbortController();
  ctx.res.once('close', () => controller.abort());
  return controller.signal;
}
