import { existsSync, readFileSync } from 'node:fs';
import type { Accounts, Authenticator, Owner } from '../core/auth.ts';
import { writeFileAtomically } from '../runtime/atomic-file.ts';

/**
 * The owner that operates this machine's platform, made on the first start. Its id comes from its name, so that a
 * lost auth.db does not make it a stranger to its own functions.
 */
export async function firstOwner(accounts: Accounts, slug: string): Promise<Owner> {
  const person = {
    id: `local-${slug}`,
    role: 'operator',
    name: slug,
    email: `${slug}@towline.localhost`,
  } as const;
  return (await accounts.ownerBySlug(slug)) ?? (await accounts.createOwner({ slug, ...person }));
}

/** The token that the CLI and git on this machine use; a new one if it was revoked or lost. */
export async function keptToken(file: string, owner: Owner, auth: Accounts & Authenticator): Promise<string> {
  if (existsSync(file)) {
    const token = readFileSync(file, 'utf8').trim();
    const identity = await auth.fromToken(token);
    if (identity?.ownerId === owner.id) return token;
  }
  const { token } = await auth.createToken({ ownerId: owner.id, name: 'this machine', ttlMs: null });
  writeFileAtomically(file, `${token}\n`);
  return token;
}
