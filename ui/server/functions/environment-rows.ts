import type { EnvironmentState, FunctionSummary } from '../../../core/api.ts';
import type { Owner } from '../../../core/auth.ts';
import type { BuildService } from '../../../core/build-service.ts';
import type { CatalogEntry, FunctionCatalog, PendingDeploys } from '../../../core/catalog.ts';
import { defaultEnvironment, type ServedEnvironment } from '../../../core/environments.ts';
import type { EventBus } from '../../../core/events.ts';
import type { ManifestWriter } from '../../../core/manifest-writer.ts';
import { notFound } from '../request/scope.ts';
import { createDeployHistory, type DeployHistory } from './deploy-history.ts';
import { createFunctionRows, type FunctionRows } from './function-rows.ts';

export interface EnvironmentRowsDeps {
  environments: readonly ServedEnvironment[];
  pending: PendingDeploys;
  builds: BuildService;
  writer: ManifestWriter;
  events: EventBus;
}

/** What there is of functions, in one environment or in the first that has them. */
export interface EnvironmentRows extends Disposable {
  names: string[];
  /** Without an environment each function once: from the default one if it is there, else from the first that has it. */
  all(owner: Owner, environment?: string): Promise<FunctionSummary[]>;
  /** Also of a function that was removed. */
  one(owner: Owner, functionName: string, environment?: string): Promise<FunctionSummary | undefined>;
  /** One function wherever it is or was. */
  states(owner: Owner, functionName: string): Promise<EnvironmentState[]>;
  entry(owner: Owner, functionName: string, environment: string): CatalogEntry | undefined;
}

interface Place {
  name: string;
  catalog: FunctionCatalog;
  rows: FunctionRows;
  history: DeployHistory;
}

export function createEnvironmentRows(deps: EnvironmentRowsDeps): EnvironmentRows {
  const { pending, builds, writer, events } = deps;
  const places = deps.environments.map(({ name, catalog, functionUrl }): Place => {
    const history = createDeployHistory(writer, events, { environment: name });
    const bound: PendingDeploys = { pending: (owner, fn) => pending.pending(owner, fn, name) };
    const rows = createFunctionRows({
      environment: name,
      catalog,
      functionUrl,
      pending: bound,
      builds,
      history,
    });
    return { name, catalog, rows, history };
  });
  /** The default one first: it is what a function is shown by. */
  const byWeight = [...places].sort(
    (a, b) => Number(b.name === defaultEnvironment) - Number(a.name === defaultEnvironment),
  );

  function placesOf(environment: string | undefined): Place[] {
    if (environment === undefined) return byWeight;
    const found = places.find(({ name }) => name === environment);
    if (!found) throw notFound('environment');
    return [found];
  }

  async function stateOf(owner: Owner, functionName: string, place: Place): Promise<EnvironmentState[]> {
    const summary = await place.rows.one(owner, functionName);
    if (!summary) return [];
    const { environment, url, status, reason, number, sourceCommit } = summary;
    const current = (await place.history.of(owner.slug)).get(functionName)?.[0] ?? null;
    return [{ environment, url, status, reason, number, sourceCommit, current }];
  }

  return {
    names: places.map(({ name }) => name),
    async all(owner, environment) {
      const shown = new Map<string, FunctionSummary>();
      for (const { rows } of placesOf(environment)) {
        for (const row of await rows.all(owner))
          if (!shown.has(row.functionName)) shown.set(row.functionName, row);
      }
      return [...shown.values()].sort((a, b) => (a.functionName < b.functionName ? -1 : 1));
    },
    async one(owner, functionName, environment) {
      const chosen = placesOf(environment);
      const present = (await Promise.all(chosen.map(({ rows }) => rows.all(owner)))).flat();
      const there = present.find((row) => row.functionName === functionName);
      if (there) return there;
      for (const { rows } of chosen) {
        const removed = await rows.one(owner, functionName);
        if (removed) return removed;
      }
      return undefined;
    },
    async states(owner, functionName) {
      return (await Promise.all(places.map((place) => stateOf(owner, functionName, place)))).flat();
    },
    entry: (owner, functionName, environment) =>
      placesOf(environment)[0]?.catalog.lookup(owner.slug, functionName),
    [Symbol.dispose]() {
      for (const { history } of places) history[Symbol.dispose]();
    },
  };
}
