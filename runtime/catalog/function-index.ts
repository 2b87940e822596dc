import type { CatalogChange, CatalogEntry, RouteTarget } from '../../core/catalog.ts';
import { stricterAccess } from '../../core/function-access.ts';
import { entryOf, isServed, type ServedVersion } from './function-verdict.ts';
import type { DesiredFunction } from './observed-function.ts';
import type { ObservedInstance, ObservedWorkload } from './observed-workload.ts';

/** What one reflector or another says about a function's object. */
export interface FunctionParts {
  desired?: DesiredFunction | undefined;
  workload?: ObservedWorkload | undefined;
  /** The key of the instance that takes requests, if the cluster says so. */
  readyInstance?: string | undefined;
  /** Its own address, if its object says so. */
  url?: string | undefined;
}

interface Known {
  desired: DesiredFunction | undefined;
  workload: ObservedWorkload | undefined;
  readyInstance: string | undefined;
  url: string | undefined;
  served: ServedVersion | undefined;
  entry: CatalogEntry | undefined;
}

export interface FunctionIndexOptions {
  targetsOf(desired: DesiredFunction, url: string | undefined): RouteTarget[];
  onChange(change: CatalogChange): void;
}

/** Puts together what reflectors say about the same object (`<namespace>/<name>`), and finds it by owner and name. */
export interface FunctionIndex {
  put(key: string, parts: FunctionParts): void;
  /** One of a function's pods or revisions. */
  putInstance(
    key: string,
    instance: ObservedInstance | undefined,
    before: ObservedInstance | undefined,
  ): void;
  lookup(owner: string, functionName: string): CatalogEntry | undefined;
  hasOwner(owner: string): boolean;
  list(owner?: string): CatalogEntry[];
  /** The Deployment behind a function that sleeps. */
  sleeper(owner: string, functionName: string): { namespace: string; name: string } | undefined;
}

interface Instance {
  key: string;
  is: ObservedInstance;
}

const nothingKnown: Known = {
  ...{ desired: undefined, workload: undefined, readyInstance: undefined },
  ...{ url: undefined, served: undefined, entry: undefined },
};
const none: readonly Instance[] = [];

export function createFunctionIndex({ targetsOf, onChange }: FunctionIndexOptions): FunctionIndex {
  const objects = new Map<string, Known>();
  /** By function object. */
  const instances = new Map<string, readonly Instance[]>();
  /** By owner, then by function: the object's key. */
  const owners = new Map<string, Map<string, string>>();
  /** Objects whose function another object had first. */
  const rivals = new Set<string>();

  function find(owner: string, functionName: string): Known | undefined {
    const key = owners.get(owner)?.get(functionName);
    return key === undefined ? undefined : objects.get(key);
  }

  function put(key: string, parts: FunctionParts): void {
    const before = objects.get(key);
    const known: Known = { ...(before ?? nothingKnown), ...parts };
    if (!known.desired && !known.workload) objects.delete(key);
    else objects.set(key, known);
    settle(key, before?.desired, known);
  }

  function settle(key: string, former: DesiredFunction | undefined, known: Known): void {
    const { desired } = known;
    if (former && (former.owner !== desired?.owner || former.functionName !== desired.functionName)) {
      forget(key, former);
    }
    if (!desired) {
      known.entry = undefined;
      known.served = undefined;
      return;
    }
    const { owner, functionName } = desired;
    const holder = owners.get(owner)?.get(functionName);
    // The same function in two namespaces: who was first is served, until it is gone.
    if (holder !== undefined && holder !== key && objects.has(holder)) {
      rivals.add(key);
      return;
    }
    remember(key, desired);
    const entry = judge(key, known, desired);
    if (known.entry && isSame(known.entry, entry)) return;
    known.entry = entry;
    onChange({ owner, functionName, entry });
  }

  function judge(key: string, known: Known, desired: DesiredFunction): CatalogEntry {
    const { workload } = known;
    const mine = instances.get(key) ?? none;
    if (workload && isServed({ desired, workload })) {
      const access = stricterAccess(desired.access, workload.access);
      known.served = { image: desired.image, sourceCommit: desired.sourceCommit, access };
    }
    const ready = takingRequests(mine, known.readyInstance);
    const served = known.served ?? servingVersion(ready, desired.image);
    const readyAccess = ready.map((one) => one.access);
    const targets = targetsOf(desired, known.url);
    const troubled = troubledOf(mine, desired.image);
    return entryOf({ desired, workload, troubled, served, readyAccess, targets });
  }

  function remember(key: string, { owner, functionName }: DesiredFunction): void {
    const functions = owners.get(owner) ?? new Map<string, string>();
    owners.set(owner, functions.set(functionName, key));
  }

  function forget(key: string, { owner, functionName }: DesiredFunction): void {
    rivals.delete(key);
    const functions = owners.get(owner);
    if (functions?.get(functionName) !== key) return;
    functions.delete(functionName);
    if (functions.size === 0) owners.delete(owner);
    const rival = [...rivals].find((one) => {
      const desired = objects.get(one)?.desired;
      return one !== key && desired?.owner === owner && desired.functionName === functionName;
    });
    if (rival === undefined) onChange({ owner, functionName, entry: undefined });
    else {
      rivals.delete(rival);
      put(rival, {});
    }
  }

  return {
    put,
    putInstance(key, instance, before) {
      const object = instance?.functionObject ?? before?.functionObject;
      if (object === undefined) return;
      const others = (instances.get(object) ?? none).filter((one) => one.key !== key);
      const now = instance ? [...others, { key, is: instance }] : others;
      if (now.length === 0) instances.delete(object);
      else instances.set(object, now);
      if (objects.has(object)) put(object, {});
    },
    lookup: (owner, functionName) => find(owner, functionName)?.entry,
    hasOwner: (owner) => owners.has(owner),
    list(owner) {
      const names = owner === undefined ? [...owners.keys()] : [owner];
      const keys = names.flatMap((name) => [...(owners.get(name)?.values() ?? [])]);
      return keys.map((key) => objects.get(key)?.entry).filter((entry) => entry !== undefined);
    },
    sleeper(owner, functionName) {
      const known = find(owner, functionName);
      if (!known?.desired || known.workload?.replicas !== 0) return undefined;
      return { namespace: known.desired.namespace, name: known.desired.objectName };
    },
  };
}

/** A pod of the version that is asked for tells more than one of an older one. */
function troubledOf(all: readonly Instance[], image: string): ObservedInstance | undefined {
  const troubled = all.filter(({ is }) => is.trouble !== undefined);
  return (troubled.find(({ is }) => is.image === image) ?? troubled[0])?.is;
}

/** Where the cluster names one, the others have been replaced. */
function takingRequests(all: readonly Instance[], named: string | undefined): ObservedInstance[] {
  const ready = all.filter(({ is }) => is.isReady);
  const one = ready.find(({ key }) => key === named);
  return (one ? [one] : ready).map(({ is }) => is);
}

/**
 * What takes requests, as far as running instances tell: this process may have started while a version was on its way,
 * and never have seen the one before rolled out.
 */
function servingVersion(ready: readonly ObservedInstance[], newest: string): ServedVersion | undefined {
  return ready.find(({ image }) => image !== newest) ?? ready[0];
}

function isSame(a: CatalogEntry, b: CatalogEntry): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
