export { type RouterConfig, routerDefaults, routerSettings } from './config.ts';
export { createRouter, type Router } from './router.ts';
export { type EnvironmentRouter, routerByHost } from './router-by-host.ts';
export { answerParserError, serverOptions } from './server-options.ts';
