import type { CatalogChange } from '../../core/catalog.ts';

/** Tells, for each namespace, when its first function begins to need an explanation, and when its last one has none to give. */
export function createExplained(
  namespaceOf: (owner: string) => string,
  attend: (namespace: string, isNeeded: boolean) => void,
): (change: CatalogChange) => void {
  const unfinished = new Map<string, Set<string>>();
  return ({ owner, functionName, entry }) => {
    const namespace = namespaceOf(owner);
    const functions = unfinished.get(namespace) ?? new Set<string>();
    const wasNeeded = functions.size > 0;
    if (entry === undefined || entry.status === 'Ready' || entry.status === 'Asleep') {
      functions.delete(functionName);
    } else functions.add(functionName);
    const isNeeded = functions.size > 0;
    if (isNeeded === wasNeeded) return;
    if (isNeeded) unfinished.set(namespace, functions);
    else unfinished.delete(namespace);
    // Not in the middle of the change that is being told.
    queueMicrotask(() => attend(namespace, isNeeded));
  };
}
