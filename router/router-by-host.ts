import type { IncomingMessage } from 'node:http';
import type { Router } from './router.ts';

/** A router for the hosts below one environment's domain. */
export interface EnvironmentRouter<T = Router> {
  rootDomain: string;
  router: T;
}

/** Which one reads the request; whether its host is one at all is then up to that router. */
export function routerByHost<T>(
  main: T,
  others: readonly EnvironmentRouter<T>[],
): (request: IncomingMessage) => T {
  return ({ headers }) => {
    const host = (headers.host ?? '').toLowerCase().replace(/\.?(?::\d*)?$/, '');
    return others.find(({ rootDomain }) => host.endsWith(`.${rootDomain}`))?.router ?? main;
  };
}
