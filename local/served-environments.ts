import { mkdirSync } from 'node:fs';
import type { FunctionCatalog } from '../core/catalog.ts';
import { defaultEnvironment, type ServedEnvironment } from '../core/environments.ts';
import { TowlineError } from '../core/errors.ts';
import type { EventBus } from '../core/events.ts';
import type { Reconciler } from '../core/reconciler.ts';
import type { Logger } from '../runtime/logger.ts';
import { type ApplyLoop, createApplyLoop } from './apply/index.ts';
import type { DataFolder } from './data-folder.ts';
import type { LocalEngine } from './engine.ts';
import { createSupervisor, livenessAfter, type Supervisor } from './functions/index.ts';

export interface ServedEnvironmentsConfig {
  /** In the order in which people are shown them; the default one is among them. */
  names: readonly string[];
  branch: string;
  /** PATH. */
  path: string;
  readyTimeoutMs: number;
  idleAfterMs: number;
  /** A function that answers no health check for longer is started again; 0: none is. */
  stuckAfterMs: number;
  /** As `http://localhost:8080`. */
  origin: string;
}

/** One environment of this machine: its own folder of the GitOps repository, processes and host names. */
export interface LocalEnvironment extends ServedEnvironment {
  /** Functions answer at `<owner>.<rootDomain>`. */
  rootDomain: string;
  supervisor: Supervisor;
  applyLoop: ApplyLoop;
}

/** All environments of this machine, each one an installation of its own beside the others. */
export interface ServedEnvironments extends AsyncDisposable {
  list: LocalEnvironment[];
  main: LocalEnvironment;
  /** Of all environments. */
  reconciler: Reconciler;
  catalogOf(environment?: string): FunctionCatalog | undefined;
  functionUrl(owner: string, functionName: string, environment?: string): string;
  imagesInUse(): string[];
  /** Everything on the branch is being started when it resolves. */
  start(): Promise<void>;
}

/** `localhost` is everybody's default; other environments are one label below it, where no owner can be. */
function rootDomainOf(environment: string): string {
  return environment === defaultEnvironment ? 'localhost' : `${environment}.localhost`;
}

/** As `http://alice.staging.localhost:8080/hello`. */
function addressesOf(origin: string, rootDomain: string): ServedEnvironment['functionUrl'] {
  const { protocol, port } = new URL(origin);
  const host = port === '' ? rootDomain : `${rootDomain}:${port}`;
  return (owner, functionName) => `${protocol}//${owner}.${host}/${functionName}`;
}

/** Says of events which environment they are about. */
function eventsOf(environment: string, events: EventBus): EventBus {
  if (environment === defaultEnvironment) return events;
  return {
    subscribe: events.subscribe,
    publish: (event) =>
      events.publish(
        event.type === 'function.changed' || event.type === 'history.changed'
          ? { ...event, environment }
          : event,
      ),
  };
}

interface ServedEnvironmentsDeps {
  data: DataFolder;
  logger: Logger;
  events: EventBus;
  /** What runs the functions of all of them. */
  engine: LocalEngine;
}

export async function createServedEnvironments(
  config: ServedEnvironmentsConfig,
  deps: ServedEnvironmentsDeps,
): Promise<ServedEnvironments> {
  const { data } = deps;
  await using stack = new AsyncDisposableStack();
  const list: LocalEnvironment[] = [];
  for (const name of config.names) list.push(await open(name));
  const main = find(defaultEnvironment);

  async function open(name: string): Promise<LocalEnvironment> {
    const isDefault = name === defaultEnvironment;
    const stateDir = isDefault ? data.at('functions') : data.at('environments', name, 'functions');
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const logger = isDefault ? deps.logger : deps.logger.child({ environment: name });
    const events = eventsOf(name, deps.events);
    const { path, readyTimeoutMs, idleAfterMs, branch, origin } = config;
    const liveness = livenessAfter(config.stuckAfterMs);
    const artifactsDir = data.at('artifacts');
    const supervisor = stack.use(
      await createSupervisor(
        { artifactsDir, stateDir, path, readyTimeoutMs, idleAfterMs, liveness },
        { logger, events, makeStarter: deps.engine.makeStarter },
      ),
    );
    const folder = isDefault ? 'tenants' : `environments/${name}/tenants`;
    const location = { gitopsPath: data.at('gitops.git'), branch, folder, path };
    const applyLoop = stack.use(
      await createApplyLoop({ ...location, pollMs: 5_000 }, { supervisor, logger, events }),
    );
    const rootDomain = rootDomainOf(name);
    const functionUrl = addressesOf(origin, rootDomain);
    return { name, rootDomain, supervisor, catalog: supervisor, output: supervisor, applyLoop, functionUrl };
  }

  function find(name: string = defaultEnvironment): LocalEnvironment {
    const found = list.find((one) => one.name === name);
    if (found) return found;
    throw new TowlineError('not_found', `there is no environment "${name}" here any more`);
  }

  const resources = stack.move();
  return {
    list,
    main,
    reconciler: {
      nudge() {
        for (const { applyLoop } of list) applyLoop.nudge();
      },
      follow: async (target, onApplied, signal) =>
        find(target.environment).applyLoop.follow(target, onApplied, signal),
    },
    catalogOf: (environment = defaultEnvironment) => list.find(({ name }) => name === environment)?.catalog,
    functionUrl: (owner, functionName, environment = defaultEnvironment) =>
      (list.find(({ name }) => name === environment) ?? main).functionUrl(owner, functionName),
    imagesInUse: () => list.flatMap(({ supervisor }) => supervisor.imagesInUse()),
    async start() {
      await Promise.all(list.map(({ applyLoop }) => applyLoop.start()));
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
