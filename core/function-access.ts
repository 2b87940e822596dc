import type { Identity } from './access.ts';
import { mayRead } from './access.ts';

/** Whose requests a function takes, as its annotation `towline.dev/access` says. */
export const functionAccess = ['public', 'members', 'owner'] as const;
export type FunctionAccess = (typeof functionAccess)[number];

/** Of the annotation's text; without one it is public. What cannot be read lets in nobody but the owner. */
export function readFunctionAccess(text: string | undefined): FunctionAccess {
  return text === undefined ? 'public' : (functionAccess.find((one) => one === text) ?? 'owner');
}

/** The one of both that lets in fewer. */
export function stricterAccess(one: FunctionAccess, other: FunctionAccess): FunctionAccess {
  return functionAccess.indexOf(one) > functionAccess.indexOf(other) ? one : other;
}

/**
 * Whether somebody's requests may reach a function. `members` are all who may read what its owner has, operators of the
 * installation too; `owner` is the owner alone. Nobody in particular reaches public ones only.
 */
export function mayInvoke(
  identity: Identity | undefined,
  { access, ownerId }: { access: FunctionAccess; ownerId: string },
): boolean {
  if (access === 'public') return true;
  if (access === 'members') return mayRead(identity, ownerId);
  return identity !== undefined && identity.ownerId === ownerId;
}
