import { TowlineError } from '../../core/errors.ts';
import type { Logger } from '../logger.ts';

/** The namespaces that owners have in one environment, as their labels say; they come and go. */
export interface TenantNamespaces {
  environment: string;
}

export interface NamespaceScope {
  /** The namespaces that functions are in. `all`: every namespace of the cluster is looked at in one go. */
  namespaces: readonly string[] | TenantNamespaces | 'all';
  /** Where an owner's functions belong. Without it every namespace of the list is good for everybody. */
  namespaceOf?: ((owner: string) => string) | undefined;
  /** Where other catalogs find functions of this owner, as those of other environments: no news if they are seen. */
  otherNamespacesOf?: ((owner: string) => readonly string[]) | undefined;
}

/** Whether an owner's function may be in this namespace. */
export type BelongsHere = (object: { owner: string; namespace: string; name: string }) => boolean;

/** As many strangers are told of; the rest is in debug lines. */
const maxTold = 1_000;

/**
 * Labels are written by whoever may write the object; the namespace is what the cluster's rights are given for. An
 * object that names an owner elsewhere than where that owner's functions belong is nobody's.
 */
export function belongsHere(scope: NamespaceScope, logger: Logger): BelongsHere {
  const { namespaces, namespaceOf, otherNamespacesOf } = scope;
  if (namespaceOf === undefined) {
    if (isList(namespaces)) return () => true;
    throw new TowlineError(
      'config_invalid',
      'functions of namespaces that come and go can only be followed if it is known which namespace is whose',
    );
  }
  const told = new Set<string>();
  return ({ owner, namespace, name }) => {
    if (namespaceOf(owner) === namespace) return true;
    const key = `${namespace}/${name}`;
    if (told.has(key) || otherNamespacesOf?.(owner).includes(namespace)) return false;
    const level = told.size < maxTold ? 'warn' : 'debug';
    if (level === 'warn') told.add(key);
    logger[level]({ object: key, owner, expected: namespaceOf(owner) }, 'not routed: not where its owner is');
    return false;
  };
}

function isList(namespaces: NamespaceScope['namespaces']): namespaces is readonly string[] {
  return Array.isArray(namespaces);
}

/** The paths of lists of one kind, as `/apis/apps/v1` and `deployments`; none that are known by their labels only. */
export function pathsOf({ namespaces }: NamespaceScope, group: string, kind: string): string[] {
  if (namespaces === 'all') return [`${group}/${kind}`];
  return isList(namespaces) ? namespaces.map((one) => pathIn(one, group, kind)) : [];
}

export function pathIn(namespace: string, group: string, kind: string): string {
  return `${group}/namespaces/${namespace}/${kind}`;
}
