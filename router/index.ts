export { type RouterConfig, routerDefaults, routerSettings } from './config.ts';
export { createRouter, type Router } from './router.ts';
export { answerParserError, serverOptions } from './server-options.ts';
