import type { RequestListener } from 'node:http';
import { routerContract } from '../../core/calls/router-calls.ts';
import type { FunctionCatalog } from '../../core/catalog.ts';
import { TowlineError } from '../../core/errors.ts';
import { digestOf } from '../../core/names.ts';
import type { ReflectorState } from '../../runtime/kubernetes/reflector.ts';
import { type CallServerOptions, createCallServer } from '../../runtime/services/call-server.ts';

/** A table that requests are routed by, and how fresh it is. */
export interface RoutingTable extends Pick<FunctionCatalog, 'lookup' | 'unseen'> {
  state(): ReflectorState;
}

export interface RouterCallsOptions extends CallServerOptions {
  now?: (() => number) | undefined;
}

/** `/calls/router/…`: what this router routes by. */
export function createRouterCalls(
  tableOf: (environment: string) => RoutingTable | undefined,
  options: RouterCallsOptions,
): RequestListener {
  const { now = Date.now } = options;
  return createCallServer(
    routerContract,
    {
      async route({ owner, environment, functionName }) {
        const table = tableOf(environment);
        if (!table) throw new TowlineError('not_found', `it serves no environment "${environment}"`);
        const entry = table.lookup(owner, functionName);
        const unseen = entry ? undefined : table.unseen?.(owner);
        if (unseen?.isBlank)
          throw new TowlineError('unavailable', `it has not seen ${owner} yet: ${unseen.cause}`);
        const state = table.state();
        return {
          isKnown: entry !== undefined,
          digest: digestOf(entry?.image ?? '') ?? null,
          stale: state.type === 'stale' ? { forMs: now() - state.since, cause: state.cause } : null,
        };
      },
    },
    options,
  );
}
