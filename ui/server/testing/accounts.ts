import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Owner } from '../../../core/auth.ts';

/** A temporary folder that is removed with the object. */
export async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'towline-api-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export const newOwner = (slug: string, role: Owner['role'] = 'member') => ({
  slug,
  role,
  name: slug,
  email: `${slug}@example.com`,
});
