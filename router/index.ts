export { type RouterConfig, readRouterSettings, routerDefaults, routerSettings } from './config.ts';
export type { RouterMetrics } from './metrics.ts';
export { createRouter, type Router, type RouterDeps } from './router.ts';
export { answerParserError, serverOptions } from './server-options.ts';
