import type { CatalogChange, CatalogEntry } from '../../core/catalog.ts';
import type { FunctionView } from './function-verdict.ts';
import type { DesiredFunction, ObservedDeployment, PodTrouble } from './observed-function.ts';

/** The parts of one function, each from a reflector of its own, in any order. */
type Parts = Omit<FunctionView, 'desired' | 'targets' | 'trouble'> & {
  desired: DesiredFunction | undefined;
  /** Where it answers, if its own object says so. */
  origin: string | undefined;
  entry: CatalogEntry | undefined;
};

type IndexedView = Omit<FunctionView, 'targets'> & { origin: string | undefined };

export interface FunctionIndexOptions {
  entryOf(view: IndexedView): CatalogEntry;
  onChange(change: CatalogChange): void;
}

/** Puts together what reflectors say about the same object (`<namespace>/<name>`), and finds it by owner and name. */
export interface FunctionIndex {
  put(
    key: string,
    part: {
      desired?: DesiredFunction | undefined;
      deployment?: ObservedDeployment | undefined;
      origin?: string | undefined;
    },
  ): void;
  /** Of the pod `podKey`: each function shows one of its pods' troubles. */
  putTrouble(podKey: string, trouble: PodTrouble | undefined, before: PodTrouble | undefined): void;
  lookup(owner: string, functionName: string): CatalogEntry | undefined;
  hasOwner(owner: string): boolean;
  list(owner?: string): CatalogEntry[];
  /** The Deployment behind a function that sleeps. */
  sleeper(owner: string, functionName: string): { namespace: string; name: string } | undefined;
}

export function createFunctionIndex({ entryOf, onChange }: FunctionIndexOptions): FunctionIndex {
  const objects = new Map<string, Parts>();
  /** By function object, then by pod. */
  const troubles = new Map<string, Map<string, PodTrouble>>();
  /** By owner, then by function: the object's key. */
  const owners = new Map<string, Map<string, string>>();

  function find(owner: string, functionName: string): Parts | undefined {
    const key = owners.get(owner)?.get(functionName);
    return key === undefined ? undefined : objects.get(key);
  }

  function put(key: string, part: Partial<Parts>): void {
    const before = objects.get(key);
    const parts: Parts = {
      ...{ desired: undefined, deployment: undefined, origin: undefined },
      ...{ served: undefined, entry: undefined },
      ...before,
      ...part,
    };
    if (!parts.desired && !parts.deployment) objects.delete(key);
    else objects.set(key, parts);
    settle(key, before?.desired, parts);
  }

  function settle(key: string, former: DesiredFunction | undefined, parts: Parts): void {
    const { desired } = parts;
    if (former && (former.owner !== desired?.owner || former.functionName !== desired.functionName)) {
      forget(key, former);
    }
    if (!desired) {
      parts.entry = undefined;
      return;
    }
    const { owner, functionName } = desired;
    const holder = owners.get(owner)?.get(functionName);
    // The same function in two namespaces: who was first is served, until it is gone.
    if (holder !== undefined && holder !== key && objects.has(holder)) return;
    remember(key, desired);
    if (parts.deployment?.isRolledOut && parts.deployment.image === desired.image) {
      parts.served = { image: desired.image, sourceCommit: desired.sourceCommit };
    }
    const entry = entryOf({ ...parts, desired, trouble: worstOf(troubles.get(key), desired.image) });
    if (parts.entry && isSame(parts.entry, entry)) return;
    parts.entry = entry;
    onChange({ owner, functionName, entry });
  }

  function remember(key: string, { owner, functionName }: DesiredFunction): void {
    const functions = owners.get(owner) ?? new Map<string, string>();
    owners.set(owner, functions.set(functionName, key));
  }

  function forget(key: string, { owner, functionName }: DesiredFunction): void {
    const functions = owners.get(owner);
    if (functions?.get(functionName) !== key) return;
    functions.delete(functionName);
    if (functions.size === 0) owners.delete(owner);
    onChange({ owner, functionName, entry: undefined });
  }

  return {
    put,
    putTrouble(podKey, trouble, before) {
      const key = trouble?.functionObject ?? before?.functionObject;
      if (key === undefined) return;
      const pods = troubles.get(key) ?? new Map<string, PodTrouble>();
      if (trouble) pods.set(podKey, trouble);
      else pods.delete(podKey);
      if (pods.size === 0) troubles.delete(key);
      else troubles.set(key, pods);
      if (objects.has(key)) put(key, {});
    },
    lookup: (owner, functionName) => find(owner, functionName)?.entry,
    hasOwner: (owner) => owners.has(owner),
    list(owner) {
      const names = owner === undefined ? [...owners.keys()] : [owner];
      const keys = names.flatMap((name) => [...(owners.get(name)?.values() ?? [])]);
      return keys.map((key) => objects.get(key)?.entry).filter((entry) => entry !== undefined);
    },
    sleeper(owner, functionName) {
      const parts = find(owner, functionName);
      if (!parts?.desired || parts.deployment?.replicas !== 0) return undefined;
      return { namespace: parts.desired.namespace, name: parts.desired.objectName };
    },
  };
}

/** A pod of the version that is asked for tells more than one of an older one. */
function worstOf(pods: ReadonlyMap<string, PodTrouble> | undefined, image: string): PodTrouble | undefined {
  const all = [...(pods?.values() ?? [])];
  return all.find((one) => one.image === image) ?? all[0];
}

function isSame(a: CatalogEntry, b: CatalogEntry): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
